#include "config/yaml_document.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_map>

#include <fmt/format.h>

#include "config/utf8.h"
#include "config/yaml_events.h"
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

constexpr const char* kNotUnderstood = "this cannot be understood as YAML";

// Makes the tree from the events and the layout's spans.
class Builder {
 public:
  Builder(std::shared_ptr<const SourceFile> file, const YamlLayout& layout,
          Diagnostics& diagnostics)
      : file_(std::move(file)),
        scalars_(layout.scalars),
        brackets_(layout.brackets),
        diagnostics_(diagnostics) {
    std::sort(brackets_.begin(), brackets_.end(),
              [](const Span& a, const Span& b) { return a.begin < b.begin; });
  }

  // Takes the event's text. False: a fault, now among the diagnostics, that ends the reading.
  bool take(YamlEvent& event) {
    using Kind = YamlEvent::Kind;
    switch (event.kind) {
      case Kind::document:
        // The layout refuses a second document, so this is text that could not be joined to the
        // first.
        return documents_++ == 0 ||
               refuse("E002", event.begin, kNotUnderstood, "belongs to nothing above it");
      case Kind::alias:
        return refuse("E005", event.begin, "an alias is not taken here");
      case Kind::scalar:
        return check(event) && scalar(event);
      case Kind::sequence:
        return check(event) && open(Node::Kind::sequence, event.begin);
      case Kind::map:
        return check(event) && open(Node::Kind::map, event.begin);
      case Kind::close:
        close();
        return true;
      case Kind::end:
        return true;
    }
    return true;
  }

  // Where the reading of a text that is no YAML stopped.
  void stop(std::uint32_t at) {
    const auto size = static_cast<std::uint32_t>(file_->text.size());
    diagnostics_
        .add("E002", Place{file_, {at, std::min(at + 1, size)}}, kNotUnderstood,
             "the reading stopped here")
        .helps.emplace_back("quote the texts on this line and the one above");
  }

  Node root() { return std::move(root_); }

 private:
  // A collection that is being filled.
  struct Frame {
    Node node;
    bool bracketed = false;
    bool has_key = false;  // map: a key waits for its value
    Node key;
    std::unordered_map<std::string, Span> seen;  // map: its keys, once they are many
  };

  bool awaits_key() const {
    return !frames_.empty() && frames_.back().node.kind == Node::Kind::map &&
           !frames_.back().has_key;
  }

  // Of nothing: that of its key, or of the dash before it, or else where it would stand.
  Span absent(std::uint32_t at) const {
    if (!frames_.empty() && frames_.back().has_key) return frames_.back().key.span;
    return at > 0 && file_->text[at - 1] == '-' ? Span{at - 1, at} : Span{at, at};
  }

  bool refuse(const char* code, std::uint32_t at, std::string message, std::string label = {}) {
    diagnostics_.add(code, Place{file_, {at, at + 1}}, std::move(message), std::move(label));
    return false;
  }

  bool check(const YamlEvent& event) {
    if (event.tagged) return refuse("E005", event.begin, "a tag is not taken here");
    if (event.anchored) return refuse("E005", event.begin, "an anchor is not taken here");
    if (++nodes_ <= kMaxYamlNodes) return true;
    return refuse("E008", event.begin, "too many values in one file",
                  fmt::format("more than {}", kMaxYamlNodes));
  }

  bool scalar(YamlEvent& event) {
    Node node;
    if (event.plain && event.text.empty()) {
      if (awaits_key()) return refuse("E002", event.begin, "no key before this colon");
      node.span = absent(event.begin);
      add(std::move(node));
      return true;
    }
    if (next_ == scalars_.size() || scalars_[next_].begin != event.begin)
      return refuse("E002", event.begin, kNotUnderstood);  // the layout saw something else here
    node.span = scalars_[next_++];
    node.quoted = !event.plain;
    if (event.plain && file_->text[node.span.begin] == ':') event.text[0] = ':';
    if (node.quoted || awaits_key() || !is_null(event.text)) {
      node.kind = Node::Kind::scalar;
      node.text = std::move(event.text);
    }
    add(std::move(node));
    return true;
  }

  static bool is_null(std::string_view text) {
    return text == "~" || text == "null" || text == "Null" || text == "NULL";
  }

  bool open(Node::Kind kind, std::uint32_t at) {
    if (awaits_key()) return refuse("E002", at, "a key must be text", "this is a list or a map");
    if (frames_.size() >= kMaxYamlDepth) {
      return refuse("E008", at, "nested too deeply",
                    fmt::format("more than {} levels", kMaxYamlDepth));
    }
    Frame& frame = frames_.emplace_back();
    frame.node.kind = kind;
    const auto bracket =
        std::lower_bound(brackets_.begin(), brackets_.end(), at,
                         [](const Span& span, std::uint32_t begin) { return span.begin < begin; });
    frame.bracketed = bracket != brackets_.end() && bracket->begin == at;
    frame.node.span = frame.bracketed ? *bracket : Span{at, at};
    return true;
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

  // Where the map has this key already, else null.
  static const Span* add_key(Frame& frame, const Node& key) {
    constexpr std::size_t kFew = 8;
    const std::vector<Node::Entry>& entries = frame.node.entries;
    if (entries.size() < kFew) {
      const Node::Entry* const first = frame.node.find_entry(key.text);
      return first == nullptr ? nullptr : &first->key.span;
    }
    if (frame.seen.empty()) {
      for (const Node::Entry& entry : entries) frame.seen.emplace(entry.key.text, entry.key.span);
    }
    const auto [first, is_new] = frame.seen.emplace(key.text, key.span);
    return is_new ? nullptr : &first->second;
  }

  // Of two entries with one key the first stays.
  void add_entry(Frame& frame, Node::Entry entry) {
    const Span* const first = add_key(frame, entry.key);
    if (first == nullptr) {
      frame.node.entries.push_back(std::move(entry));
      return;
    }
    auto& d = diagnostics_.add("E004", Place{file_, entry.key.span},
                               fmt::format("the key {} stands twice", in_ticks(entry.key.text)),
                               "a second time here");
    d.also.push_back({Place{file_, *first}, "first here"});
  }

  std::shared_ptr<const SourceFile> file_;
  const std::vector<Span>& scalars_;  // of the layout
  std::vector<Span> brackets_;        // of the layout, by their begins
  Diagnostics& diagnostics_;
  std::size_t next_ = 0;  // of scalars_
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

// UTF-8, and no control characters but tab, line feed, and carriage return before a line feed; nor
// the code points that stand for no character.
bool check_text(const std::shared_ptr<const SourceFile>& file, Diagnostics& diagnostics) {
  const std::string_view text = file->text;
  for (std::size_t i = 0; i < text.size();) {
    if ((text[i] >= ' ' && text[i] <= '~') || text[i] == '\n') {
      ++i;
      continue;
    }
    const CodePoint c = decode_utf8(text, i);
    const bool line_break =
        c.value == '\n' || (c.value == '\r' && i + 1 < text.size() && text[i + 1] == '\n');
    const bool control = (c.value < 0x20 && c.value != '\t' && !line_break) ||
                         (c.value >= 0x7F && c.value <= 0x9F) || c.value == 0x2028 ||
                         c.value == 0x2029 || (c.value == 0xFEFF && i > 0);
    const bool none = c.value == 0xFFFE || c.value == 0xFFFF;
    if (c.valid && !control && !none) {
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
                      : none       ? "this stands for no character"
                                   : "text cannot hold a control character",
                      fmt::format("U+{:04X}", static_cast<unsigned>(c.value)));
    }
    return false;
  }
  return true;
}

// Stands for the colon of plain text that begins with one, as in [::1].
constexpr char kForColon = 'x';

// A document as the parser is to see it: without a byte order mark and what stands behind `...`,
// with the layout's additions, and so that it does not take tabs for indentation that are none:
// blanks stand for those between values, on idle lines, and where a line goes on with plain text.
class Readable {
 public:
  Readable(std::string_view file, const YamlLayout& layout) : text_(file.substr(0, layout.end)) {
    if (text_.find('\t') != std::string::npos) blank_tabs(layout);
    for (const Span& scalar : layout.scalars) {
      if (text_[scalar.begin] == ':') text_[scalar.begin] = kForColon;
    }
    for (const YamlLayout::Addition& added : layout.additions) {
      text_.insert(added.at + added_.size(), 1, added.character);
      added_.push_back(static_cast<std::uint32_t>(added.at + added_.size()));
    }
    if (text_.starts_with("\xEF\xBB\xBF")) skipped_ = 3;
  }

  std::string_view text() const { return std::string_view(text_).substr(skipped_); }

  // Where a byte of text() stands in the file.
  std::uint32_t offset(std::uint32_t at) const {
    at += skipped_;
    const auto before = std::upper_bound(added_.begin(), added_.end(), at) - added_.begin();
    return at - static_cast<std::uint32_t>(before);
  }

 private:
  void blank_tabs(const YamlLayout& layout) {
    std::size_t behind = 0;
    for (const Span& scalar : layout.scalars) {
      blank(behind, scalar.begin);
      behind = scalar.end;
      const char first = text_[scalar.begin];
      if (first == '"' || first == '\'') continue;
      if (first == '|' || first == '>') {
        behind = std::min(text_.find('\n', behind), text_.size());
        continue;
      }
      for (std::size_t line = text_.find('\n', scalar.begin); line < scalar.end;
           line = text_.find('\n', line + 1)) {
        blank(line, text_.find_first_not_of(" \t", line + 1));
      }
    }
    blank(behind, text_.size());
    for (const std::size_t tab : layout.idle_tabs) text_[tab] = ' ';
  }

  void blank(std::size_t begin, std::size_t end) {
    std::replace(text_.begin() + static_cast<std::ptrdiff_t>(begin),
                 text_.begin() + static_cast<std::ptrdiff_t>(end), '\t', ' ');
  }

  std::string text_;
  std::vector<std::uint32_t> added_;  // where bytes were added, in text_
  std::uint32_t skipped_ = 0;
};

}  // namespace

std::unique_ptr<YamlDocument> parse_yaml(std::shared_ptr<const SourceFile> file,
                                         Diagnostics& diagnostics) {
  YamlLayout layout;
  if (!check_size(file, diagnostics) || !check_text(file, diagnostics)) return nullptr;
  if (!read_yaml_layout(file, layout, diagnostics)) return nullptr;

  Builder builder(file, layout, diagnostics);
  const Readable readable(file->text, layout);
  YamlEvents events(readable.text());
  YamlEvent event;
  do {
    const bool understood = events.next(event);
    event.begin = readable.offset(event.begin);
    if (!understood) {
      builder.stop(event.begin);
      return nullptr;
    }
    if (!builder.take(event)) return nullptr;
  } while (event.kind != YamlEvent::Kind::end);
  auto document = std::make_unique<YamlDocument>();
  document->file = std::move(file);
  document->root = builder.root();
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
