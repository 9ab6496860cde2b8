#include "config/yaml_document.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <istream>
#include <streambuf>
#include <unordered_map>

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "config/utf8.h"
#include "config/yaml_layout.h"

namespace logtally::config {

const Node::Entry* Node::find_entry(std::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key.text == key) return &entry;
  }
  return nullptr;
}

const Node* Node::find(std::string_view key) const {
  const Entry* entry = find_entry(key);
  return entry == nullptr ? nullptr : &entry->value;
}

namespace {

// Reads memory without a copy of it.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // a get area is never written to
    setg(begin, begin, begin + text.size());
  }
};

constexpr const char* kNotUnderstood = "this cannot be understood as YAML";

// Thrown through the parser by the builder to end the reading; the fault is then among the
// diagnostics.
struct Refused {};

// Makes the tree from the parser's events and the layout's spans.
class Builder : public YAML::EventHandler {
 public:
  Builder(const std::shared_ptr<const SourceFile>& file, YamlLayout layout,
          Diagnostics& diagnostics)
      : file_(file), layout_(std::move(layout)), diagnostics_(diagnostics) {
    std::sort(layout_.brackets.begin(), layout_.brackets.end(),
              [](const Span& a, const Span& b) { return a.begin < b.begin; });
    skipped_ = file->text.starts_with("\xEF\xBB\xBF") ? 3 : 0;
  }

  Node take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // The layout refuses a second document, so this is text that the parser could not join to the
    // first.
    if (documents_++ > 0) refuse("E002", mark, kNotUnderstood, "belongs to nothing above it");
  }
  void OnDocumentEnd() override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse("E005", mark, "an alias is not taken here");
  }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, {}, anchor);
    Node node;
    // The parser says where it was when it found nothing, which may be at the next token.
    const Span* token = token_at(offset(mark));
    const std::string_view text = token == nullptr ? std::string_view() : slice(*token);
    if (text == "~" || text == "null" || text == "Null" || text == "NULL") {
      node.span = *token;
      if (awaits_key()) node.text = text;
      ++next_;
    } else if (awaits_key()) {
      refuse("E002", mark, "no key before this colon");
    } else {
      node.span = absent(mark);
    }
    if (awaits_key()) node.kind = Node::Kind::scalar;
    add(std::move(node));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check(mark, tag, anchor);
    Node node;
    node.kind = Node::Kind::scalar;
    node.text = value;
    node.quoted = tag == "!";
    const Span* token = token_at(offset(mark));
    if (token == nullptr)
      refuse("E002", mark, kNotUnderstood);  // the layout saw something else here
    node.span = *token;
    ++next_;
    add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::sequence, mark, tag, anchor);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::map, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

 private:
  // A collection that is being filled.
  struct Frame {
    Node node;
    bool bracketed = false;
    bool has_key = false;  // map: a key waits for its value
    Node key;
    std::unordered_map<std::string, Span> seen;  // map: its keys
  };

  std::uint32_t offset(const YAML::Mark& mark) const {
    const auto at = static_cast<std::uint32_t>(std::max(mark.pos, 0)) + skipped_;
    return std::min(at, static_cast<std::uint32_t>(file_->text.size()));
  }

  std::string_view slice(const Span& span) const {
    return std::string_view(file_->text).substr(span.begin, span.end - span.begin);
  }

  // The next scalar's token if it begins at `at`.
  const Span* token_at(std::uint32_t at) {
    while (next_ < layout_.scalars.size() && layout_.scalars[next_].begin < at) ++next_;
    return next_ < layout_.scalars.size() && layout_.scalars[next_].begin == at
               ? &layout_.scalars[next_]
               : nullptr;
  }

  bool awaits_key() const {
    return !frames_.empty() && frames_.back().node.kind == Node::Kind::map &&
           !frames_.back().has_key;
  }

  Span absent(const YAML::Mark& mark) const {
    if (!frames_.empty() && frames_.back().has_key) return frames_.back().key.span;
    return {offset(mark), offset(mark)};
  }

  [[noreturn]] void refuse(const char* code, const YAML::Mark& mark, std::string message,
                           std::string label = {}) {
    const std::uint32_t at = offset(mark);
    diagnostics_.add(code, Place{file_, {at, at + 1}}, std::move(message), std::move(label));
    throw Refused{};
  }

  void check(const YAML::Mark& mark, std::string_view tag, YAML::anchor_t anchor) {
    if (!tag.empty() && tag != "?" && tag != "!") refuse("E005", mark, "a tag is not taken here");
    if (anchor != YAML::NullAnchor) refuse("E005", mark, "an anchor is not taken here");
    if (++nodes_ > kMaxYamlNodes) {
      refuse("E008", mark, "too many values in one file",
             fmt::format("more than {}", kMaxYamlNodes));
    }
  }

  void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    check(mark, tag, anchor);
    if (awaits_key()) refuse("E002", mark, "a key must be text", "this is a list or a map");
    if (frames_.size() >= kMaxYamlDepth) {
      refuse("E008", mark, "nested too deeply", fmt::format("more than {} levels", kMaxYamlDepth));
    }
    Frame& frame = frames_.emplace_back();
    frame.node.kind = kind;
    const std::uint32_t at = offset(mark);
    const auto bracket =
        std::lower_bound(layout_.brackets.begin(), layout_.brackets.end(), at,
                         [](const Span& span, std::uint32_t begin) { return span.begin < begin; });
    frame.bracketed = bracket != layout_.brackets.end() && bracket->begin == at;
    frame.node.span = frame.bracketed ? *bracket : Span{at, at};
  }

  void close() {
    Node node = std::move(frames_.back().node);
    const bool bracketed = frames_.back().bracketed;
    frames_.pop_back();
    if (!bracketed && node.is_map() && !node.entries.empty()) {
      node.span = {node.entries.front().key.span.begin, end_of(node.entries.back())};
    } else if (!bracketed && node.is_sequence() && !node.items.empty()) {
      node.span = {node.items.front().span.begin, node.items.back().span.end};
    }
    add(std::move(node));
  }

  static std::uint32_t end_of(const Node::Entry& entry) {
    return std::max(entry.key.span.end, entry.value.span.end);
  }

  void add(Node node) {
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node.is_sequence()) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.has_key) {
      frame.key = std::move(node);
      frame.has_key = true;
    } else {
      frame.has_key = false;
      add_entry(frame, {std::move(frame.key), std::move(node)});
    }
  }

  // Of two entries with one key the first stays.
  void add_entry(Frame& frame, Node::Entry entry) {
    const auto [first, is_new] = frame.seen.emplace(entry.key.text, entry.key.span);
    if (is_new) {
      frame.node.entries.push_back(std::move(entry));
      return;
    }
    auto& d = diagnostics_.add("E004", Place{file_, entry.key.span},
                               fmt::format("the key {} stands twice", in_ticks(entry.key.text)),
                               "a second time here");
    d.also.push_back({Place{file_, first->second}, "first here"});
  }

  std::shared_ptr<const SourceFile> file_;
  YamlLayout layout_;
  Diagnostics& diagnostics_;
  std::uint32_t skipped_ = 0;  // the parser does not count a byte order mark
  std::size_t next_ = 0;       // scalar of the layout
  std::size_t nodes_ = 0;
  int documents_ = 0;
  std::vector<Frame> frames_;
  Node root_;
};

bool check_size(const std::shared_ptr<const SourceFile>& file, Diagnostics& diagnostics) {
  if (file->text.size() <= kMaxYamlBytes) return true;
  diagnostics
      .add("E006", Place{},
           fmt::format("{}: larger than {} KiB", printable(file->name, 1000), kMaxYamlBytes / 1024))
      .helps.push_back("split it: rules may stand in several files");
  return false;
}

// UTF-8, and no control characters but tab, line feed, and carriage return before a line feed.
bool check_text(const std::shared_ptr<const SourceFile>& file, Diagnostics& diagnostics) {
  const std::string_view text = file->text;
  for (std::size_t i = 0; i < text.size();) {
    const CodePoint c = decode_utf8(text, i);
    const bool line_break =
        c.value == '\n' || (c.value == '\r' && i + 1 < text.size() && text[i + 1] == '\n');
    const bool control = (c.value < 0x20 && c.value != '\t' && !line_break) ||
                         (c.value >= 0x7F && c.value <= 0x9F) || c.value == 0x2028 ||
                         c.value == 0x2029 || (c.value == 0xFEFF && i > 0);
    if (c.valid && !control) {
      i += c.length;
      continue;
    }
    const Place place{file,
                      {static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i + c.length)}};
    if (!c.valid) {
      diagnostics.add("E007", place, "this is not UTF-8 text",
                      fmt::format("byte 0x{:02x}", static_cast<unsigned char>(text[i])));
    } else {
      diagnostics.add("E007", place,
                      c.value == 0 ? "text cannot hold a NUL character"
                                   : "text cannot hold a control character",
                      fmt::format("U+{:04X}", static_cast<unsigned>(c.value)));
    }
    return false;
  }
  return true;
}

}  // namespace

std::unique_ptr<YamlDocument> parse_yaml(std::shared_ptr<const SourceFile> file,
                                         Diagnostics& diagnostics) {
  YamlLayout layout;
  if (!check_size(file, diagnostics) || !check_text(file, diagnostics)) return nullptr;
  if (!read_yaml_layout(file, layout, diagnostics)) return nullptr;

  Builder builder(file, std::move(layout), diagnostics);
  try {
    ViewBuffer buffer(file->text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused&) {
    return nullptr;
  } catch (const YAML::Exception& e) {
    const auto size = static_cast<std::uint32_t>(file->text.size());
    const std::uint32_t at = std::min(static_cast<std::uint32_t>(std::max(e.mark.pos, 0)), size);
    diagnostics
        .add("E002", Place{file, {at, std::min(at + 1, size)}}, "this cannot be understood as YAML",
             "the reading stopped here")
        .helps.push_back("quote the texts on this line and the one above");
    return nullptr;
  } catch (const std::exception&) {
    diagnostics.add("E002", Place{file, {0, 0}}, "this file cannot be understood as YAML");
    return nullptr;
  }
  auto document = std::make_unique<YamlDocument>();
  document->file = std::move(file);
  document->root = builder.take();
  return document;
}

namespace {

// The file that is too large, as far as it was read: to show where it passes the limit.
Result<std::shared_ptr<const SourceFile>> read_file(const std::string& path,
                                                    std::shared_ptr<const SourceFile>* too_large) {
  const auto failed = [&](std::string_view verb, std::string_view why) {
    return Error{fmt::format("cannot {} {}: {}", verb, printable(path, 200), why)};
  };
  // Not blocking, so that a FIFO without a writer is refused instead of waited for.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return failed("open", std::strerror(errno));
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};

  struct stat info {};
  if (::fstat(fd, &info) != 0) return failed("read", std::strerror(errno));
  if (S_ISDIR(info.st_mode)) return failed("read", "it is a directory");
  if (!S_ISREG(info.st_mode)) return failed("read", "it is not a regular file");

  std::string text(kMaxYamlBytes + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(fd, text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", std::strerror(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > kMaxYamlBytes) {
    if (too_large != nullptr) *too_large = std::make_shared<SourceFile>(SourceFile{path, text});
    return failed("read", fmt::format("it is larger than {} KiB", kMaxYamlBytes / 1024));
  }
  text.resize(size);
  text.shrink_to_fit();
  return std::shared_ptr<const SourceFile>(
      std::make_shared<SourceFile>(SourceFile{path, std::move(text)}));
}

}  // namespace

Result<std::shared_ptr<const SourceFile>> read_source_file(const std::string& path) {
  return read_file(path, nullptr);
}

std::shared_ptr<const SourceFile> read_source_file(const std::string& path,
                                                   Diagnostics& diagnostics,
                                                   const Place& named_at) {
  std::shared_ptr<const SourceFile> too_large;
  auto file = read_file(path, &too_large);
  if (file) return std::move(*file);
  Place place = named_at;
  if (too_large != nullptr) {
    const auto end = static_cast<std::uint32_t>(kMaxYamlBytes);
    place = {too_large, {end, end + 1}};
  }
  Diagnostic& d = diagnostics.add("E009", place, file.error().text);
  if (too_large != nullptr) {
    d.label = "here it passes the limit";
    d.helps.emplace_back("two files in the same directory are as good as one");
  }
  return nullptr;
}

}  // namespace logtally::config
