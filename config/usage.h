// The texts of `help` and of the reference pages, all made from the tables.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/options.h"

namespace logtally::config {

// `logtally help`: the commands, and the flags of run.
std::string help_text();

// `logtally help VERB`.
std::string help_text(Verb verb);

// `logtally help WORD`: a verb, a code of a diagnostic, a topic. On a word that is none of these
// a UsageError that suggests one.
std::variant<std::string, UsageError> help_on(std::string_view word);

// The rule file that `help rules` shows; it loads as it stands.
std::string_view example_rule_file();

// The words that `help` takes, for completion.
std::vector<std::string> help_words();

// docs/NAME as it has to be: cli.md, config.md, errors.md, logtally.1. None: there is no such page.
std::optional<std::string> reference_page(std::string_view name);

// `text` in lines of at most `width` characters, all but the first behind `indent` blanks; words
// that are longer stand alone.
std::string wrapped(std::string_view text, std::size_t width, std::size_t indent);

}  // namespace logtally::config
