#include "cli/explain.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "cli/explanation_view.h"
#include "cli/format_hint.h"
#include "cli/rule_loading.h"
#include "cli/run.h"
#include "config/settings.h"
#include "config/yaml_document.h"
#include "pipeline/inputs.h"
#include "pipeline/owned_fd.h"
#include "pipeline/worker.h"
#include "rules/explainer.h"

namespace logtally::cli {
namespace {

void tell_error(const std::string& text) { std::fprintf(stderr, "error: %s\n", text.c_str()); }

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// The arguments as a file of lines: they go the way of all lines.
std::optional<pipeline::OwnedFd> file_of(const std::vector<std::string>& lines) {
  pipeline::OwnedFd fd(memfd_create("logtally-explain", MFD_CLOEXEC));
  if (fd.get() < 0) return std::nullopt;
  for (const std::string& line : lines) {
    if (!write_all(fd.get(), line) || !write_all(fd.get(), "\n")) return std::nullopt;
  }
  if (lseek(fd.get(), 0, SEEK_SET) != 0) return std::nullopt;
  return fd;
}

// What is explained: LINEs, a file, or standard input.
struct Sources {
  std::vector<pipeline::TargetSpec> targets;
  std::optional<pipeline::StdinSpec> stream;
  pipeline::OwnedFd lines;  // the LINEs
};

// The exit code when there is nothing to explain.
std::variant<Sources, int> sources_of(const config::CommandLine& line) {
  Sources sources;
  const bool file = line.file && *line.file != "-";
  const bool from_stdin = line.from_stdin || (line.file && *line.file == "-");
  if ((!line.files.empty() ? 1 : 0) + (file ? 1 : 0) + (from_stdin ? 1 : 0) > 1) {
    tell_error("`explain` takes LINEs, --file FILE or -, one of them");
    return kExitUsage;
  }
  if (!line.files.empty()) {
    auto fd = file_of(line.files);
    if (!fd) {
      tell_error(std::string("cannot keep the lines in memory: ") + std::strerror(errno));
      return kExitWrong;
    }
    sources.lines = std::move(*fd);
    sources.stream = pipeline::StdinSpec{.name = "argument", .fd = sources.lines.get()};
  } else if (file) {
    struct stat status = {};
    if (stat(line.file->c_str(), &status) != 0) {
      tell_error(*line.file + ": " + std::strerror(errno));
      return kExitWrong;
    }
    if (S_ISDIR(status.st_mode)) {
      tell_error(*line.file + " is a directory");
      return kExitWrong;
    }
    if (access(line.file->c_str(), R_OK) != 0) {
      tell_error(*line.file + ": " + std::strerror(errno));
      return kExitWrong;
    }
    sources.targets.push_back({.name = *line.file,
                               .paths = {*line.file},
                               .exclude = {},
                               .from = pipeline::From::beginning});
  } else if (from_stdin || isatty(STDIN_FILENO) == 0) {
    sources.stream = pipeline::StdinSpec{.name = "stdin", .fd = STDIN_FILENO};
  } else {
    tell_error(
        "there is no line to explain: logtally explain 'LINE', --file FILE, or a pipe: tail -1 "
        "engine.log | logtally explain");
    return kExitUsage;
  }
  return sources;
}

}  // namespace

int explain(const config::CommandLine& line, const config::Environment& environment) {
  const bool colour_errors =
      config::wants_colour(line.colour, isatty(STDERR_FILENO) == 1, environment);
  config::Diagnostics diagnostics;
  std::shared_ptr<const config::YamlDocument> document;
  std::optional<config::Settings> settings;
  if (line.config) {
    auto file = config::read_source_file(*line.config);
    if (!file) {
      tell_error(file.error().text);
      return kExitWrong;
    }
    document = config::parse_yaml(*file, diagnostics);
    if (document) settings = config::load_settings(*document, diagnostics);
  }
  const config::RunOptions options = config::resolve(line, settings);
  std::shared_ptr<const rules::RuleSet> rules;
  if (!diagnostics.has_errors()) {
    rules = load_rules({.packs = options.packs, .paths = options.rules, .configuration = document},
                       diagnostics);
  }
  if (rules == nullptr) {
    std::fputs(diagnostics.render(colour_errors).c_str(), stderr);
    return kExitWrong;
  }

  auto chosen = sources_of(line);
  if (const int* code = std::get_if<int>(&chosen)) return *code;
  Sources& sources = std::get<Sources>(chosen);
  pipeline::TailOptions tail;
  tail.follow = false;
  tail.from_beginning = true;
  tail.line_bytes = options.limits.line_bytes;
  auto inputs = pipeline::Inputs::open(sources.targets, sources.stream, tail);
  if (!inputs) {
    tell_error(inputs.error().text);
    return kExitWrong;
  }

  const bool json = line.format == "json";
  const ExplanationStyle style{
      .colour =
          !json && config::wants_colour(options.colour, isatty(STDOUT_FILENO) == 1, environment),
      .all = line.all || line.verbosity > 0};
  std::uint64_t told = 0;
  bool broken = false;
  bool hinted = false;
  rules::Explainer explainer(*rules, [&](const rules::Explanation& explanation) {
    if (broken) return;
    std::string text;
    if (json) {
      text = explanation_json(explanation, style.all);
    } else {
      if (told != 0) text = "\n────────────────────────────────────────\n\n";
      text += explanation_text(explanation, style);
      // Once: the lines of one stream are much alike.
      if (explanation.kind == "bare" && !explanation.matched && !hinted) {
        hinted = true;
        const FormatHint hint = format_hint(*rules, explanation.line + "\n");
        text += "= note: " + hint.note + "\n= help: " + hint.help + "\n";
      }
    }
    ++told;
    broken = !write_all(STDOUT_FILENO, text);
  });

  pipeline::WorkerOptions worker_options;
  worker_options.wrappers.assign((*inputs)->target_count(), pipeline::Wrapper::automatic);
  worker_options.record_bytes = options.limits.record_bytes;
  worker_options.record_lines = options.limits.record_lines;
  worker_options.series_per_metric = options.limits.series_per_metric;
  worker_options.series = options.limits.series;
  worker_options.follow = false;
  worker_options.trace = &explainer;
  pipeline::Worker worker(rules, **inputs, std::move(worker_options));
  worker.run();
  if (broken) {
    tell_error(std::string("cannot write: ") + std::strerror(errno));
    return kExitWrong;
  }
  if (told == 0) {
    tell_error("there was no line to explain");
    return kExitWrong;
  }
  return kExitSuccess;
}

}  // namespace logtally::cli
