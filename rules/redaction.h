// Redactions: what is taken out of a record before anything else sees it: rules, labels, tables,
// explain, messages. RULES.md §6.
//
//   Redactions   the compiled `redact:` of all rule files; immutable, part of a RuleSet
//   Redactor     applies them; one per worker, with the buffers that it needs
//
// Lines that hold nothing cost next to nothing: a scan over whole chunks of bytes (NeedleScan)
// finds the few lines that may, and those alone are looked at closely. The scan errs on the safe
// side only, so that a line's redacted text never depends on it.
//
// In a JSON object every string and number is redacted by itself, as the text that it stands for
// (escapes resolved), and written back as valid JSON; so what is found never reaches beyond a
// string's quotes. A `regex` that reaches over quotes and commas is tried on the raw text, too: if
// what comes out is no JSON, all values that it touches are replaced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "rules/event.h"
#include "rules/field_plan.h"
#include "rules/json_decoder.h"
#include "rules/needle_scan.h"
#include "rules/secret_shapes.h"

namespace re2 {
class RE2;
}

namespace logtally::rules {

struct Redaction {
  enum class Kind : std::uint8_t { regex, shape, field };
  enum class With : std::uint8_t { text, hash, drop };

  std::string name;
  Kind kind = Kind::regex;
  With with = With::text;
  std::string text;                       // With::text; of a regex: with \0 to \9
  std::shared_ptr<const re2::RE2> regex;  // regex, shape
  const SecretShape* shape = nullptr;
  FieldPath field;  // a name: at any depth; a path: the end of a place's path
};

// 12 hexadecimal digits, of the first 48 bits of SipHash-2-4 with a key of zeros: the same in every
// process and version. Not a secret: who can guess the text can check the guess.
std::string redaction_hash(std::string_view text);

// Texts (small letters, fit for NeedleScan) without one of which the regular expression matches
// nothing, in plain text or in a JSON string; empty: there are none.
std::vector<std::string> required_needles(const std::string& regex);

class Redactions {
 public:
  static constexpr std::size_t kMost = NeedleScan::kMaxOwners - 1;  // one is for escapes

  Redactions() = default;
  explicit Redactions(std::vector<Redaction> all);

  bool empty() const { return all_.empty(); }
  const std::vector<Redaction>& all() const { return all_; }
  const NeedleScan& needles() const { return needles_; }
  // Redactions (a bit each) that have no needle and are no shape with a scan of its own: they look
  // at every line.
  std::uint64_t always() const { return always_; }
  bool scans_shapes() const { return scans_shapes_; }

  // The redactions that may find something in the text, a bit each; kEscapes: letters may be hidden
  // in \u00XX. NeedleScan::kReadableBehind bytes behind the text are read.
  static constexpr std::uint64_t kEscapes = std::uint64_t{1} << kMost;
  std::uint64_t suspects(std::string_view text) const;

  // For tests: everything is suspected of everything from now on.
  void look_everywhere() { always_ = (std::uint64_t{1} << all_.size()) - 1; }

 private:
  std::vector<Redaction> all_;
  NeedleScan needles_;
  std::uint64_t always_ = 0;
  bool scans_shapes_ = false;
};

// How often each redaction has replaced something, in their order.
using RedactionCounts = std::vector<std::uint64_t>;

class Redactor {
 public:
  // The redactions outlive it.
  explicit Redactor(const Redactions& redactions);

  bool active() const { return !redactions_.empty(); }

  // The redacted text of a record (without the newline behind it; behind that kReadableBehindLine
  // bytes may be read): `record` itself if there is nothing to redact, else a copy of which the
  // same holds, valid until the next call. `counts` (added to) may be null.
  std::string_view redact(std::string_view record, RedactionCounts* counts = nullptr);

  // Whether a line may hold something, for the lines of a chunk in their order. The chunk is whole
  // lines, with kReadableBehindLine bytes behind it, and stays as it is until the next begin().
  void begin(std::string_view chunk);
  bool is_suspect(const char* line) { return line >= next_ && look_at(line); }

 private:
  struct Edit {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::string text;
  };

  bool look_at(const char* line);
  bool redact_text(std::string_view text, std::string& out, bool fields);
  bool apply(std::size_t number, std::string_view text, std::string& out);
  bool apply_field(const Redaction& redaction, std::string_view text, std::string& out);
  bool redact_json(std::string_view record, std::string& out);
  bool walk_json(std::string_view record);
  bool reach_over_json(std::string& record);
  void write_edits(std::string_view record, std::string& out);
  bool field_edit(std::string_view record, std::size_t begin, std::size_t end);
  void found(std::size_t number, std::size_t times);

  const Redactions& redactions_;
  RedactionCounts* counts_ = nullptr;

  // The chunk.
  const char* next_ = nullptr;  // lines that begin before it hold nothing
  const char* candidate_ = nullptr;
  const char* scanned_ = nullptr;
  std::string_view chunk_;

  std::string out_;
  std::string text_;
  std::string next_text_;
  std::string plain_;
  std::vector<Edit> edits_;
  std::vector<std::size_t> borders_;  // of the strings of a JSON record
  struct Piece {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool string = false;
    bool key = false;
  };
  std::vector<Piece> pieces_;
  std::vector<std::string> path_;
  FieldPlan nothing_;
  JsonDecoder judge_;
  Event judged_;
};

}  // namespace logtally::rules
