#include "pipeline/rule_test_update.h"

#include <algorithm>
#include <optional>
#include <set>
#include <variant>
#include <vector>

#include "sinks/metrics/exposition_reader.h"

namespace logtally::pipeline {
namespace {

using config::Node;
using metrics::ExpositionLine;
using metrics::ExpositionSample;

struct Edit {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::string text;
};

ExpositionSample series_of(ExpositionSample sample) {
  std::erase_if(sample.labels, [](const auto& label) { return label.second.empty(); });
  sample.value.clear();
  return sample;
}

// The metric behind a sample's name, as far as names tell.
std::string_view stem(std::string_view name) {
  for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
    if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  }
  return name;
}

class Rewriter {
 public:
  explicit Rewriter(const config::YamlDocument& document) : source_(document.file->text) {}

  void rewrite(const rules::RuleTest& test, const TestResult& result) {
    if (test.metrics && !result.wrong_samples.empty()) rewrite_samples(test, result);
    if (test.stored && !result.wrong_rows.empty()) rewrite_rows(test, result);
  }

  std::string text() && {
    // What goes in at a place stands before what is taken away behind it.
    std::stable_sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    std::string out;
    std::size_t at = 0;
    for (const Edit& edit : edits_) {
      out.append(source_, at, edit.begin - at);
      out += edit.text;
      at = edit.end;
    }
    return out.append(source_, at);
  }

 private:
  std::size_t line_begin(std::size_t at) const {
    const std::size_t newline = at == 0 ? std::string::npos : source_.rfind('\n', at - 1);
    return newline == std::string::npos ? 0 : newline + 1;
  }
  // Behind the line's newline, or the end of the text.
  std::size_t line_end(std::size_t at) const {
    const std::size_t newline = source_.find('\n', at);
    return newline == std::string::npos ? source_.size() : newline + 1;
  }
  // Whole lines go in at `at`, which is a line_end().
  void insert_lines(std::size_t at, std::string lines) {
    if (at == source_.size() && at > 0 && source_[at - 1] != '\n') {
      lines.insert(0, "\n");
      lines.pop_back();
    }
    edits_.push_back({at, at, std::move(lines)});
  }
  std::string indent_behind(const Node& key) const {
    return std::string(key.span.begin - line_begin(key.span.begin) + 2, ' ');
  }
  // Does this place stand between brackets, where no block of text may be?
  static bool in_flow(const rules::RuleTest& test, const std::string& source) {
    const Node* root = &test.document->root;
    const Node* tests = root->is_map() ? root->find("tests") : root;
    return source[test.body->span.begin] == '{' ||
           (tests != nullptr && source[tests->span.begin] == '[');
  }

  // ---- expect

  void rewrite_samples(const rules::RuleTest& test, const TestResult& result) {
    const Node* node = test.metrics->node;
    if (node != nullptr && source_[node->span.begin] == '|' && !node->text.empty()) {
      rewrite_block(*node, result.samples);
      return;
    }
    const Node& key = test.body->find_entry("expect")->key;
    const std::size_t begin =
        node != nullptr ? node->span.begin : source_.find(':', key.span.end) + 1;
    const std::size_t end = node != nullptr ? node->span.end : begin;
    // What stays empty keeps the names that were asked for.
    std::vector<std::string> lines;
    for (const ExpositionSample& sample : result.samples)
      lines.push_back(metrics::to_string(sample));
    for (const std::string& name : test.metrics->names) {
      const bool seen = std::any_of(result.samples.begin(), result.samples.end(),
                                    [&](const ExpositionSample& sample) {
                                      return sample.name == name || stem(sample.name) == name;
                                    });
      if (!seen) lines.push_back(name);
    }
    if (in_flow(test, source_)) {
      std::string text = "'";
      for (const std::string& line : lines) {
        for (const char c : line) text += c == '\'' ? std::string("''") : std::string(1, c);
        text += "\n\n";  // in quotes an empty line is a line's end
      }
      edits_.push_back({begin, end, (node == nullptr ? " " : "") + text + "'"});
      return;
    }
    edits_.push_back({begin, end, node == nullptr ? " |" : "|"});
    std::string block;
    for (const std::string& line : lines) block += indent_behind(key) + line + "\n";
    // What a folded or literal block held goes; a text of several lines went with its token.
    const bool was_block = node != nullptr && (source_[begin] == '>' || source_[begin] == '|');
    std::size_t behind = line_end(end);
    if (was_block) {
      std::size_t last = behind;
      while (last < source_.size()) {
        const std::size_t text = source_.find_first_not_of(' ', last);
        const bool blank = text == std::string::npos || source_[text] == '\n';
        if (!blank && text - last < indent_behind(key).size() - 1) break;
        last = line_end(last);
      }
      edits_.push_back({behind, last, {}});
      behind = last;
    }
    insert_lines(behind, std::move(block));
  }

  // Line by line: a right line stays as it is, of a wrong one the value is replaced.
  void rewrite_block(const Node& node, const std::vector<ExpositionSample>& samples) {
    struct BlockLine {
      std::size_t begin = 0;  // of the line in the file
      std::size_t text = 0;   // behind its indentation
      std::string name;       // empty: a comment or blank
      bool gone = false;
    };
    std::vector<BlockLine> lines;
    std::string indent;
    std::vector<bool> used(samples.size());
    std::size_t begin = line_end(node.span.begin);
    for (std::string_view rest = node.text; !rest.empty() && begin < source_.size();) {
      const std::string_view text = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(text.size() + 1, rest.size()));
      const std::size_t end = line_end(begin);
      const std::size_t found = std::string_view(source_).substr(begin, end - begin).find(text);
      BlockLine line{.begin = begin,
                     .text = begin + (found == std::string::npos ? 0 : found),
                     .name = {},
                     .gone = false};
      const auto read = metrics::read_exposition_line(text);
      const auto* known = std::get_if<ExpositionLine>(&read);
      if (!text.empty() && indent.empty()) indent = source_.substr(begin, line.text - begin);
      if (known != nullptr && known->kind != ExpositionLine::Kind::blank) {
        line.name = known->sample.name;
        if (known->kind == ExpositionLine::Kind::sample) {
          line.gone = !keep_sample(*known, line.text, samples, used);
        } else {
          line.gone = std::any_of(samples.begin(), samples.end(), [&](const auto& sample) {
            return sample.name == line.name || stem(sample.name) == line.name;
          });
        }
      }
      lines.push_back(std::move(line));
      begin = end;
    }
    const std::size_t behind = begin;
    const auto end_of = [&](std::size_t i) {
      return i + 1 < lines.size() ? lines[i + 1].begin : behind;
    };

    // New samples stand behind the last line of their metric.
    std::vector<std::string> added(lines.size() + 1);
    for (std::size_t s = 0; s < samples.size(); ++s) {
      if (used[s]) continue;
      std::size_t place = lines.size();
      for (std::size_t i = 0; i < lines.size(); ++i) {
        if (lines[i].name == samples[s].name || lines[i].name == stem(samples[s].name)) place = i;
      }
      added[place] += indent + metrics::to_string(samples[s]) + "\n";
    }
    std::set<std::string> told;  // names of which something stays or comes
    for (const ExpositionSample& sample : samples) {
      told.insert(sample.name);
      told.insert(std::string(stem(sample.name)));
    }
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].gone) {
        std::string instead = std::move(added[i]);
        if (instead.empty() && told.insert(lines[i].name).second)
          instead = indent + lines[i].name + "\n";  // asked for, and nothing there
        edits_.push_back({lines[i].begin, end_of(i), std::move(instead)});
      } else if (!added[i].empty()) {
        insert_lines(end_of(i), std::move(added[i]));
      }
    }
    if (!added.back().empty()) insert_lines(behind, std::move(added.back()));
  }

  // Whether a sample like this came out; its value is set right.
  bool keep_sample(const ExpositionLine& line, std::size_t at,
                   const std::vector<ExpositionSample>& samples, std::vector<bool>& used) {
    const ExpositionSample series = series_of(line.sample);
    for (std::size_t s = 0; s < samples.size(); ++s) {
      if (used[s] || series_of(samples[s]) != series) continue;
      used[s] = true;
      if (samples[s].value != line.sample.value) {
        const std::size_t value = at + line.value.offset;
        edits_.push_back({value, value + line.value.length, samples[s].value});
      }
      return true;
    }
    return false;
  }

  // ---- stored

  static rules::StoredRow canonical(rules::StoredRow row) {
    for (auto& column : row) {
      if (column) column = rules::canonical_column(*column);
    }
    return row;
  }

  void rewrite_rows(const rules::RuleTest& test, const TestResult& result) {
    const Node& node = *test.body->find("stored");
    std::vector<const rules::StoredRow*> missing;  // rows that came out and are not written
    for (const rules::StoredRow& row : result.rows) missing.push_back(&row);
    std::vector<std::size_t> wrong;  // written rows that did not come out
    for (std::size_t i = 0; i < test.stored->size(); ++i) {
      const auto found = std::find_if(missing.begin(), missing.end(), [&](const auto* row) {
        return canonical(*row) == canonical((*test.stored)[i].columns);
      });
      if (found == missing.end()) {
        wrong.push_back(i);
      } else {
        missing.erase(found);
      }
    }
    const bool block = !node.items.empty() && source_[node.span.begin] != '[';
    const bool none_left = wrong.size() == node.items.size() && missing.empty();
    if (!block || none_left) {
      std::string all;
      for (const rules::StoredRow& row : result.rows)
        all += (all.empty() ? "" : ", ") + to_string(row);
      const Node& key = test.body->find_entry("stored")->key;
      const std::size_t begin = block ? source_.find(':', key.span.end) + 1 : node.span.begin;
      edits_.push_back({begin, node.span.end, (block ? " [" : "[") + all + "]"});
      return;
    }
    std::size_t next = 0;
    for (const std::size_t i : wrong) {
      const Node& item = node.items[i];
      if (next < missing.size()) {
        edits_.push_back({item.span.begin, item.span.end, to_string(*missing[next++])});
      } else {
        const std::size_t dash = source_.rfind('-', item.span.begin);
        edits_.push_back({line_begin(dash), line_end(item.span.end), {}});
      }
    }
    if (next == missing.size()) return;
    const std::size_t dash = source_.rfind('-', node.items.front().span.begin);
    const std::string indent(dash - line_begin(dash), ' ');
    std::string rows;
    for (; next < missing.size(); ++next) rows += indent + "- " + to_string(*missing[next]) + "\n";
    insert_lines(line_end(node.items.back().span.end), std::move(rows));
  }

  const std::string& source_;
  std::vector<Edit> edits_;
};

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

std::string updated_text(const config::YamlDocument& document,
                         std::span<const TestUpdate> updates) {
  Rewriter rewriter(document);
  for (const TestUpdate& update : updates) rewriter.rewrite(*update.test, *update.result);
  return std::move(rewriter).text();
}

std::string line_difference(std::string_view name, std::string_view before,
                            std::string_view after) {
  const std::vector<std::string_view> a = lines_of(before);
  const std::vector<std::string_view> b = lines_of(after);
  std::size_t first = 0;
  while (first < a.size() && first < b.size() && a[first] == b[first]) ++first;
  std::size_t tail = 0;
  while (tail < a.size() - first && tail < b.size() - first &&
         a[a.size() - 1 - tail] == b[b.size() - 1 - tail])
    ++tail;
  const std::size_t n = a.size() - first - tail;
  const std::size_t m = b.size() - first - tail;

  // The longest common subsequence of what lies between, as long as that is affordable.
  constexpr std::size_t kMostCells = 4'000'000;
  const bool affordable = (n + 1) * (m + 1) <= kMostCells;
  std::vector<std::uint32_t> common(affordable ? (n + 1) * (m + 1) : 0);
  const auto cell = [&](std::size_t i, std::size_t j) -> std::uint32_t& {
    return common[i * (m + 1) + j];
  };
  if (affordable) {
    for (std::size_t i = n; i-- > 0;) {
      for (std::size_t j = m; j-- > 0;) {
        cell(i, j) = a[first + i] == b[first + j] ? cell(i + 1, j + 1) + 1
                                                  : std::max(cell(i + 1, j), cell(i, j + 1));
      }
    }
  }
  std::string out = "--- " + std::string(name) + "\n";
  bool open = false;  // a run of changed lines has been begun
  const auto change = [&](char sign, std::string_view line, std::size_t number) {
    if (!open) out += "@@ line " + std::to_string(number + 1) + "\n";
    open = true;
    out += sign;
    out.append(line);
    out += '\n';
  };
  std::size_t i = 0;
  std::size_t j = 0;
  while (i < n || j < m) {
    if (affordable && i < n && j < m && a[first + i] == b[first + j]) {
      open = false;
      ++i;
      ++j;
    } else if (i < n && (j == m || !affordable || cell(i + 1, j) >= cell(i, j + 1))) {
      change('-', a[first + i], first + i);
      ++i;
    } else {
      change('+', b[first + j], first + i);
      ++j;
    }
  }
  return out;
}

}  // namespace logtally::pipeline
