#include "config/rule_words.h"

#include <algorithm>

#include <fmt/format.h>

#include "config/markdown.h"
#include "config/usage.h"

namespace logtally::config {

namespace {

constexpr RuleWord kFunctions[] = {
    {"len", "len($a)", "characters of a text"},
    {"lower", "lower($a)", "the text in small letters"},
    {"upper", "upper($a)", "the text in capital letters"},
    {"trim", "trim($a)", "the text without blanks at both ends"},
    {"replace", "replace($a, \"-\", \"_\")", "every occurrence of a text replaced by another"},
    {"num", "num($a)", "the number that a text is: num(\"0042\") is 42"},
    {"round", "round($a, 2)", "rounded to so many decimals; without a second value to none"},
    {"min", "min($a, $b)", "the smallest of two to eight values"},
    {"max", "max($a, $b)", "the largest of two to eight values"},
};

constexpr RuleWord kUnits[] = {
    {"ns", "ns", "nanoseconds, into _seconds"},
    {"us", "us", "microseconds, into _seconds; also µs"},
    {"ms", "ms", "milliseconds, into _seconds"},
    {"s", "s", "seconds"},
    {"min", "min", "minutes, into _seconds; also m"},
    {"h", "h", "hours, into _seconds"},
    {"d", "d", "days, into _seconds"},
    {"B", "B", "bytes"},
    {"KB", "KB", "1,000 bytes, into _bytes; also kB"},
    {"MB", "MB", "1,000,000 bytes"},
    {"GB", "GB", "10^9 bytes"},
    {"TB", "TB", "10^12 bytes"},
    {"KiB", "KiB", "1,024 bytes, into _bytes"},
    {"MiB", "MiB", "2^20 bytes"},
    {"GiB", "GiB", "2^30 bytes"},
    {"TiB", "TiB", "2^40 bytes"},
    {"percent", "percent", "hundredths, into _ratio; also %"},
    {"ratio", "ratio", "a share of 1"},
    {"usd", "usd", "US dollars"},
    {"cents", "cents", "hundredths of a dollar, into _usd"},
    {"auto", "auto", "the text says it itself: \"932ms\", \"1.5s\", \"12KiB\""},
};

constexpr RuleWord kPatterns[] = {
    {"<name>", "'job <job> ended'", "one word: no blanks, maybe empty"},
    {"<name...>", "'error: <why...>'", "any text, blanks too"},
    {"<_>", "'<_> ended'", "one word that nobody wants"},
    {"<_...>", "'<_...> ended'", "any text that nobody wants"},
    {"<time>", "'<time> <message>'", "formats: a time; the record's"},
    {"<level>", "'[<level>] <message>'", "formats: a level; DEBUG, info, WARN ..."},
    {"<message>", "'<level>: <message>'", "formats: any text; what rules' patterns look at"},
    {"<fields>", "'done <fields>'",
     "a JSON object, a Python dict or k=v pairs, whose keys become fields"},
};

constexpr RuleWord kFields[] = {
    {"name", "$name", "a field of the line, a capture or a `let` of this rule"},
    {"a.b", "$a.b", "the key `b` inside the object `a`"},
    {"odd key", "$'odd key'", "a name that is more than letters, digits and `_`"},
    {"time", "$time",
     "when, in Unix seconds; from timestamp, time, ts, @timestamp, datetime, asctime"},
    {"level", "$level", "folded: warn and WARNING are `warning`; from level, levelname, severity"},
    {"logger", "$logger", "from logger, logger_name, name"},
    {"message", "$message", "its first line with text; from message, msg, event"},
    {"_line", "$_line", "the whole record"},
    {"_rest", "$_rest", "what follows the first line of the message"},
    {"_exception", "$_exception",
     "class of the last exception in a traceback or an `exception` field, without its module"},
    {"_format", "$_format", "name of the format that fits; none for JSON and bare messages"},
    {"_file", "$_file", "the file it was read from"},
    {"_stream", "$_stream", "stdout or stderr, where a container's log tells"},
    {"elapsed", "$elapsed", "in the actions behind a `take`: seconds since the row was remembered"},
};

constexpr RuleWord kRedactions[] = {
    {"email", "email", "e-mail addresses"},
    {"ipv4", "ipv4", "IPv4 addresses"},
    {"ipv6", "ipv6", "IPv6 addresses"},
    {"card", "card", "payment cards' numbers with a right check digit"},
    {"bearer", "bearer", "what stands behind `Bearer`, and behind `Authorization:`"},
    {"key", "key", "keys by their beginnings: sk-, ghp_, AKIA, xoxb- and the like"},
    {"telegram", "telegram", "the secret in /bot<id>:<secret>/"},
    {"jwt", "jwt", "JSON web tokens"},
    {"query_token", "query_token", "?token=, &api_key= and the like in URLs"},
    {"url_password", "url_password", "the password in scheme://user:password@host"},
    {"private_key", "private_key", "what is between BEGIN and END of a private key"},
};

constexpr RuleWords kAll[] = {
    {"patterns", "how patterns capture parts of a text",
     "A pattern is literal text and captures, the whole text from end to end; a blank stands for "
     "one or more. Captures are as short as lets the whole fit. In a rule it is tried on the "
     "message, in a format on the line. `\\<` is a `<`. For what a pattern cannot say: "
     "regex: '…(?P<name>…)…' (RE2, found anywhere).",
     kPatterns},
    {"functions", "the functions of expressions",
     "Called in any expression, a value with a `$` in it. Operators: + - * / % == != < <= > >= =~ "
     "!~ and or not. Maps and tables of the rule file are called too: outcome($success), "
     "session($id).model. `or` gives its right side if the left is missing or false.",
     kFunctions},
    {"fields", "the names behind `$`",
     "What a line has, what a rule captures, and what logtally knows of the record. Names that "
     "begin with `_` are never a line's own.",
     kFields},
    {"units", "the values of `unit:`",
     "`unit` says what the field is in; what the metric counts in is in its name: _seconds, "
     "_bytes, "
     "_ratio, _usd.\n"
     "{observe: call_seconds, value: $duration_ms, unit: ms}",
     kUnits},
    {"redaction", "the built-in redactions",
     "`redact:` takes secrets out of a record before anything else sees it:\n"
     "redact: {mail: {builtin: email, with: hash}, ours: {regex: 'tok-[0-9a-f]{8,}', with: "
     "'tok-***'}, prompt: {field: prompt, with: drop}}",
     kRedactions},
};

}  // namespace

std::span<const RuleWords> rule_words() { return kAll; }

const RuleWords* find_rule_words(std::string_view topic) {
  const auto* const found = std::find_if(std::begin(kAll), std::end(kAll),
                                         [&](const RuleWords& w) { return w.topic == topic; });
  return found == std::end(kAll) ? nullptr : found;
}

std::string rule_words_text(const RuleWords& words) {
  constexpr std::size_t kWidth = 100;
  constexpr std::size_t kColumn = 26;
  std::string out;
  for (std::size_t at = 0; at < words.intro.size();) {
    const std::size_t end = std::min(words.intro.find('\n', at), words.intro.size());
    out += wrapped(words.intro.substr(at, end - at), kWidth, 0) + "\n\n";
    at = end + 1;
  }
  for (const RuleWord& word : words.words) {
    out += fmt::format("  {:<{}}{}\n", word.form, kColumn - 2,
                       wrapped(word.meaning, kWidth - kColumn, kColumn));
  }
  return out + "\nThe whole rule file: `logtally help rules`, docs/rules.md.\n";
}

std::optional<std::string> rule_words_table(std::string_view topic) {
  const RuleWords* const words = find_rule_words(topic);
  if (words == nullptr) return std::nullopt;
  std::string out = "| | |\n|---|---|\n";
  for (const RuleWord& word : words->words)
    out += fmt::format("| `{}` | {} |\n", markdown_cell(word.form), markdown_cell(word.meaning));
  return out;
}

}  // namespace logtally::config
