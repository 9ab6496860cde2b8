#include "rules/regex_syntax.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <re2/re2.h>

namespace logtally::rules {
namespace {

struct Group {
  std::size_t begin = 0;  // of its bracket
  std::size_t name = 0;   // offset of the name; 0: it has none
  std::size_t name_end = 0;
};

// Behind the `]` of the class that begins at `at`.
std::size_t behind_class(std::string_view regex, std::size_t at) {
  std::size_t i = at + 1;
  if (i < regex.size() && regex[i] == '^') ++i;
  for (bool first = true; i < regex.size(); first = false) {
    if (regex[i] == ']' && !first) return i + 1;
    if (regex[i] == '\\') {
      i += 2;
    } else if (regex.substr(i).starts_with("[:")) {
      const std::size_t end = regex.find(":]", i + 2);
      i = end == std::string_view::npos ? i + 1 : end + 2;
    } else {
      ++i;
    }
  }
  return regex.size();
}

struct Groups {
  std::vector<Group> all;
  std::optional<std::size_t> unclosed;  // where the first one begins that never ends
};

// What is escaped, quoted by \Q…\E or in a class opens nothing.
Groups groups_of(std::string_view regex) {
  Groups groups;
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < regex.size();) {
    if (regex.substr(i).starts_with("\\Q")) {
      const std::size_t end = regex.find("\\E", i + 2);
      i = end == std::string_view::npos ? regex.size() : end + 2;
    } else if (regex[i] == '\\') {
      i += 2;
    } else if (regex[i] == '[') {
      i = behind_class(regex, i);
    } else if (regex[i] == '(') {
      Group group{.begin = i};
      if (regex.substr(i).starts_with("(?P<")) {
        group.name = i + 4;
        group.name_end = std::min(regex.find('>', i), regex.size());
      }
      groups.all.push_back(group);
      open.push_back(i++);
    } else {
      if (regex[i] == ')' && !open.empty()) open.pop_back();
      ++i;
    }
  }
  if (!open.empty()) groups.unclosed = open.front();
  return groups;
}

bool is_field_name(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !name.empty() && letter(name[0]) && std::all_of(name.begin(), name.end(), [&](char c) {
    return letter(c) || (c >= '0' && c <= '9');
  });
}

std::optional<RegexFault> fault_of_names(std::string_view regex) {
  std::vector<std::string_view> names;
  for (const Group& group : groups_of(regex).all) {
    if (group.name == 0) continue;
    const std::string_view name = regex.substr(group.name, group.name_end - group.name);
    RegexFault fault;
    fault.offset = group.name;
    fault.length = name.size();
    if (!is_field_name(name)) {
      fault.text = "`" + std::string(name) + "` is no name for a group";
      fault.label = "letters, digits and `_`, not a digit first";
      return fault;
    }
    if (std::find(names.begin(), names.end(), name) != names.end()) {
      fault.text = "two groups are named `" + std::string(name) + "`";
      fault.label = "a second time here";
      return fault;
    }
    names.push_back(name);
  }
  return std::nullopt;
}

}  // namespace

std::variant<std::shared_ptr<const re2::RE2>, RegexFault> compile_regex(std::string_view regex) {
  RegexFault fault;
  fault.length = regex.size();
  if (regex.size() > kMaxRegexBytes) {
    fault.text = "the regular expression is longer than 1,024 bytes";
    return fault;
  }
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(4 << 20);
  auto compiled =
      std::make_shared<const re2::RE2>(re2::StringPiece(regex.data(), regex.size()), options);
  if (compiled->ok()) {
    if (auto of_names = fault_of_names(regex)) return *of_names;
    return compiled;
  }
  fault.too_large = compiled->error_code() == re2::RE2::ErrorPatternTooLarge;
  fault.syntax = !fault.too_large;
  fault.text = "RE2 refuses this regular expression: " + compiled->error();
  const std::optional<std::size_t> open = groups_of(regex).unclosed;
  if (open && compiled->error_code() == re2::RE2::ErrorMissingParen) {
    fault.offset = *open;
    fault.length = 1;
    fault.text = "missing closing ) in regular expression";
    fault.label = "this group is never closed";
  } else if (const std::size_t at = regex.find(compiled->error_arg());
             !compiled->error_arg().empty() && at != std::string_view::npos) {
    fault.offset = at;
    fault.length = compiled->error_arg().size();
  }
  return fault;
}

}  // namespace logtally::rules
