// The reference pages: docs/cli.md, docs/config.md and the manual page, from the tables.
#include <fmt/format.h>

#include "config/code_pages.h"
#include "config/diagnostics.h"
#include "config/markdown.h"
#include "config/option_table.h"
#include "config/usage.h"

namespace logtally::config {

namespace {

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::string flag_cell(const Option& option) {
  std::string out = option.letter != 0 ? fmt::format("`-{}`, ", option.letter) : "";
  out += fmt::format("`--{}{}{}`", option.name, option.value.empty() ? "" : " ", option.value);
  return out;
}

std::string cli_page() {
  std::string out =
      "# The command line\n\n"
      "<!-- Made from config/options.cc and config/verbs.cc by `logtally __reference cli.md`; edit "
      "those. -->\n\n"
      "`logtally [COMMAND] [FLAGS] [ARGUMENTS]`. A flag wins over the environment, that over the "
      "file, that over the default; `logtally run --print-config` tells which it was.\n\n"
      "| command | what |\n|---|---|\n";
  for (const VerbRow& row : verbs()) {
    if (row.verb && !row.hidden)
      out += fmt::format("| [`{}`](#{}) | {} |\n", row.name, row.name, markdown_cell(row.help));
  }
  for (const VerbRow& row : verbs()) {
    if (!row.verb || row.hidden) continue;
    out += fmt::format("\n## {}\n\n`logtally {}`\n", row.name, row.usage);
    for (const std::string_view paragraph : lines_of(row.about))
      out += fmt::format("\n{}\n", paragraph);
    out += "\n```console\n";
    for (const Example& example : row.examples)
      out += fmt::format("$ {}    # {}\n", example.command, example.what);
    out += "```\n\n| flag | what | default | environment | file |\n|---|---|---|---|---|\n";
    for (const Option& option : options()) {
      if (!option.listed_for(*row.verb)) continue;
      const auto code = [](std::string_view text) {
        return text.empty() ? std::string() : fmt::format("`{}`", markdown_cell(text));
      };
      out += fmt::format("| {} | {} | {} | {} | {} |\n", markdown_cell(flag_cell(option)),
                         markdown_cell(option.help_for(*row.verb)),
                         code(option.value.empty() ? "" : option.default_value),
                         code(option.environment), code(option.file_key));
    }
    out += "\n| exit | meaning |\n|---|---|\n";
    for (const std::string_view line : lines_of(row.exits)) {
      const std::size_t blank = line.find(' ');
      out += fmt::format("| {} | {} |\n", line.substr(0, blank),
                         markdown_cell(line.substr(line.find_first_not_of(' ', blank))));
    }
  }
  out += "\n## Environment\n\n| variable | what |\n|---|---|\n";
  for (const Variable& variable : variables())
    out += fmt::format("| `{}` | {} |\n", variable.name, markdown_cell(variable.help));
  return out;
}

std::string config_page() {
  std::string out =
      "# logtally.yaml\n\n"
      "<!-- Made from the tables of config/settings.cc by `logtally __reference config.md`; edit "
      "those. -->\n\n"
      "The first of: `--config`, `$LOGTALLY_CONFIG`, `./logtally.yaml`, "
      "`$XDG_CONFIG_HOME/logtally/logtally.yaml` (`~/.config`), `/etc/logtally/logtally.yaml`. No "
      "file is needed. Relative paths start at the file that names them. The keys of rule files "
      "may stand in it too. Sizes are bytes or `256KiB`, `1MB`, `1GiB`.\n\n"
      "| key | what |\n|---|---|\n";
  for (const DescribedKey& key : describe_settings())
    out += fmt::format("| `{}` | {} |\n", key.name, markdown_cell(key.help));
  return out;
}

// Text in the language of manual pages.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'') {
      out += "\\(aq";
    } else if (c == '^') {
      out += "\\(ha";
    } else if (c == '~') {
      out += "\\(ti";
    } else {
      out += c;
    }
  }
  if (out.starts_with('.')) out.insert(0, "\\&");
  return out;
}

std::string man_page() {
  std::string out =
      ".\\\" Made from config/options.cc and config/verbs.cc by `logtally __reference logtally.1`; "
      "edit those.\n"
      ".TH LOGTALLY 1 \"\" \"logtally\" \"User Commands\"\n"
      ".SH NAME\nlogtally \\- metrics from the logs that a program already writes\n"
      ".SH SYNOPSIS\n";
  for (const VerbRow& row : verbs()) {
    if (row.verb && !row.hidden) out += fmt::format(".B logtally\n{}\n.br\n", roff(row.usage));
  }
  out += ".SH COMMANDS\n";
  for (const VerbRow& row : verbs()) {
    if (!row.verb || row.hidden) continue;
    out += fmt::format(".SS {}\n", roff(row.name));
    for (const std::string_view paragraph : lines_of(row.about))
      out += fmt::format("{}\n.PP\n", roff(paragraph));
    for (const Example& example : row.examples)
      out += fmt::format(".TP\n.B {}\n{}\n", roff(example.command), roff(example.what));
    out += ".PP\nExit codes:\n";
    for (const std::string_view line : lines_of(row.exits)) {
      const std::size_t blank = line.find(' ');
      out += fmt::format(".TP\n.B {}\n{}\n", line.substr(0, blank),
                         roff(line.substr(line.find_first_not_of(' ', blank))));
    }
  }
  out += ".SH OPTIONS\nBehind each, the commands that take it.\n";
  for (const Option& option : options()) {
    if (!option.is_flag()) continue;
    out += ".TP\n.B ";
    if (option.letter != 0) out += fmt::format("\\-{}, ", option.letter);
    out += fmt::format("\\-\\-{}", roff(option.name));
    if (!option.value.empty()) out += fmt::format(" {}", roff(option.value));
    out += fmt::format("\n{}", roff(option.help));
    if (!option.value.empty() && !option.default_value.empty() && option.default_value != "[]")
      out += fmt::format(" (default {})", roff(option.default_value));
    if (!option.environment.empty()) out += fmt::format(" [{}]", option.environment);
    std::string owners;
    bool all = true;
    for (const VerbRow& row : verbs()) {
      if (!row.verb || row.hidden) continue;
      if (option.belongs_to(*row.verb)) {
        owners += (owners.empty() ? "" : ", ") + std::string(row.name);
      } else {
        all = false;
      }
    }
    out += fmt::format(" ({})\n", all ? "all" : owners);
  }
  out += ".SH ENVIRONMENT\n";
  for (const Variable& variable : variables())
    out += fmt::format(".TP\n.B {}\n{}\n", variable.name, roff(variable.help));
  out +=
      ".SH FILES\n.TP\n.B logtally.yaml\nThe configuration; the first of "
      "\\-\\-config, $LOGTALLY_CONFIG, ./logtally.yaml, $XDG_CONFIG_HOME/logtally/logtally.yaml, "
      "/etc/logtally/logtally.yaml.\n";
  for (const DescribedKey& key : describe_settings())
    out += fmt::format(".TP\n.B {}\n{}\n", roff(key.name), roff(key.help));
  return out;
}

}  // namespace

std::optional<std::string> reference_page(std::string_view name) {
  if (name == "cli.md") return cli_page();
  if (name == "config.md") return config_page();
  if (name == "errors.md") return errors_reference();
  if (name == "logtally.1") return man_page();
  return {};
}

}  // namespace logtally::config
