#include "cli/format_hint.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <span>

#include <fmt/format.h>

#include "config/packs.h"
#include "pipeline/inputs.h"
#include "pipeline/owned_fd.h"
#include "pipeline/worker.h"

namespace logtally::cli {
namespace {

constexpr std::size_t kMostBytes = 64 * 1024;

// What people's log lines look like, the most telling first.
constexpr std::string_view kUsual[] = {
    "<time> [<logger>] <level> <message>",
    "<time> [<level>] <logger>: <message>",
    "<time> - <logger> - <level> - <message>",
    "<time> [<level>] <message>",
    "<time> <level> [<logger>] <message>",
    "<time> <level> <logger>: <message>",
    "[<time>] [<level>] <message>",
    "[<time>] <level>: <message>",
    "[<time>] <level> <message>",
    "<time> <level>: <message>",
    "<time> <level> <message>",
    "<level>:<logger>:<message>",
    "<level>: <message>",
    "[<level>] <message>",
    "<time> <message>",
    "[<time>] <message>",
    "<level> <message>",
};

// How many records fit a format, by the way that all lines go.
class Fits : public rules::TraceSink {
 public:
  std::size_t records = 0;
  std::size_t fitting = 0;

  void record_begins(const rules::Event& event, rules::Scope&) override {
    ++records;
    fitting += !event.format.empty();
  }
  void rule_matched(const rules::Rule&) override {}
  void rule_failed(const rules::Rule&, std::string_view, std::string_view) override {}
  void action_done(const rules::Rule&, const rules::Action&, const metrics::Series&,
                   rules::Decimal) override {}
  void action_skipped(const rules::Rule&, const rules::Action&, rules::SkipReason) override {}
};

Fits try_on(std::shared_ptr<const rules::RuleSet> rules, std::string_view lines) {
  Fits fits;
  const pipeline::OwnedFd fd(memfd_create("logtally-lines", MFD_CLOEXEC));
  for (std::string_view rest = lines; !rest.empty();) {
    const ssize_t written = ::write(fd.get(), rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fits;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
  if (lseek(fd.get(), 0, SEEK_SET) != 0) return fits;
  pipeline::TailOptions tail;
  tail.follow = false;
  tail.from_beginning = true;
  auto inputs =
      pipeline::Inputs::open({}, pipeline::StdinSpec{.name = "lines", .fd = fd.get()}, tail);
  if (!inputs) return fits;
  pipeline::WorkerOptions options;
  options.wrappers = {pipeline::Wrapper::automatic};
  options.follow = false;
  options.trace = &fits;
  pipeline::Worker(std::move(rules), **inputs, std::move(options)).run();
  return fits;
}

std::shared_ptr<const rules::RuleSet> compiled(std::shared_ptr<const config::SourceFile> file) {
  config::Diagnostics unheard;
  const std::shared_ptr<const config::YamlDocument> document =
      config::parse_yaml(std::move(file), unheard);
  if (document == nullptr) return nullptr;
  const rules::RuleSet::Source source{.document = document, .configuration = false};
  return rules::RuleSet::compile(std::span(&source, 1), unheard);
}

struct Best {
  std::string_view name;  // of a pack, or a pattern
  Fits fits;
};

// Most of the lines have to fit.
void consider(Best& best, std::string_view name, std::shared_ptr<const rules::RuleSet> rules,
              std::string_view lines) {
  if (rules == nullptr) return;
  const Fits fits = try_on(std::move(rules), lines);
  if (fits.fitting * 2 > fits.records && fits.fitting > best.fits.fitting)
    best = {.name = name, .fits = fits};
}

std::string share(const Fits& fits) {
  if (fits.records == 1) return "it fits this line";
  if (fits.fitting == fits.records) return fmt::format("it fits all of {} lines", fits.records);
  return fmt::format("it fits {} of {} lines", fits.fitting, fits.records);
}

}  // namespace

FormatHint format_hint(const rules::RuleSet& rules, std::string_view lines) {
  FormatHint hint;
  hint.note =
      rules.formats().all().empty()
          ? "no format is declared: lines of text are bare messages, and formats come with "
            "packs or `formats:`"
          : "lines of text that no format fits are bare messages; formats come with packs or "
            "`formats:`";
  lines = lines.substr(0, std::min(lines.size(), kMostBytes));
  Best pack;
  Best pattern;
  if (!lines.empty()) {
    for (const config::Pack& shipped : config::shipped_packs())
      consider(pack, shipped.name, compiled(config::pack_source(shipped)), lines);
    for (const std::string_view usual : kUsual) {
      consider(pattern, usual,
               compiled(std::make_shared<const config::SourceFile>(config::SourceFile{
                   .name = "format",
                   .text = fmt::format("formats: {{mine: {{pattern: '{}'}}}}\n", usual)})),
               lines);
    }
  }
  if (!pack.name.empty() && pack.fits.fitting >= pattern.fits.fitting) {
    hint.help = fmt::format("--pack {} has a format for them ({})", pack.name, share(pack.fits));
  } else if (!pattern.name.empty()) {
    hint.help = fmt::format("in a rule file: formats: {{mine: {{pattern: '{}'}}}}  ({})",
                            pattern.name, share(pattern.fits));
  } else {
    hint.help =
        "in a rule file: formats: {mine: {pattern: '<time> <level> <message>'}}, as the lines are "
        "written; `logtally help patterns`";
  }
  return hint;
}

std::string first_lines(const std::vector<std::string>& files) {
  for (const std::string& file : files) {
    const pipeline::OwnedFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (fd.get() < 0) continue;
    std::string text(kMostBytes, '\0');
    const ssize_t size = ::pread(fd.get(), text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    if (text.find('\0') != std::string::npos) continue;
    if (text.size() == kMostBytes) text.resize(text.rfind('\n') + 1);
    if (!text.empty()) return text;
  }
  return {};
}

}  // namespace logtally::cli
