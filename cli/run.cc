#include "cli/run.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <prometheus/metric_family.h>

#include "cli/format_hint.h"
#include "cli/interrupts.h"
#include "cli/kept_state.h"
#include "cli/reload_thread.h"
#include "cli/rule_loading.h"
#include "cli/rule_reload.h"
#include "cli/rule_watch.h"
#include "cli/summary.h"
#include "cli/version.h"
#include "config/settings.h"
#include "config/usage.h"
#include "config/yaml_document.h"
#include "pipeline/inputs.h"
#include "pipeline/watchdog.h"
#include "pipeline/worker.h"
#include "sinks/http/routes.h"
#include "sinks/http/server.h"
#include "sinks/metrics/exposition.h"
#include "sinks/metrics/own_metrics.h"
#include "sinks/metrics/registry.h"

namespace logtally::cli {
namespace {

// What a page may wait for the newest counts to be durable. With a slow disk it shows those of the
// commit before: a second old at most.
constexpr std::chrono::milliseconds kScrapeWaits{25};

using config::RunOptions;

// Everything that is said goes to stderr; stdout belongs to --tee and --print-metrics.
class Console {
 public:
  Console(config::Colour colour, int verbosity, const config::Environment& environment)
      : terminal_(isatty(STDERR_FILENO) == 1),
        colour_(config::wants_colour(colour, terminal_, environment)),
        verbosity_(verbosity) {}

  bool terminal() const { return terminal_; }
  bool colour() const { return colour_; }
  void error(const std::string& text) const { std::fprintf(stderr, "error: %s\n", text.c_str()); }
  void warning(const std::string& text) const {
    if (verbosity_ >= 0) std::fprintf(stderr, "warning: %s\n", text.c_str());
  }
  void say(const std::string& text) const {
    if (verbosity_ >= 0) std::fprintf(stderr, "%s\n", text.c_str());
  }
  // One event, with the time of day in front.
  void log(const std::string& text) const {
    if (verbosity_ < 0) return;
    const std::time_t now = std::time(nullptr);
    std::tm local = {};
    localtime_r(&now, &local);
    std::fprintf(stderr, "%02d:%02d:%02d %s\n", local.tm_hour, local.tm_min, local.tm_sec,
                 text.c_str());
  }

 private:
  bool terminal_;
  bool colour_;
  int verbosity_;
};

// The configuration file, or nothing; faults are printed.
struct Configuration {
  bool usable = true;
  std::shared_ptr<const config::YamlDocument> document;
  std::optional<config::Settings> settings;
};

Configuration load_configuration(const config::CommandLine& line, const Console& console) {
  Configuration loaded;
  if (!line.config) return loaded;
  auto file = config::read_source_file(*line.config);
  if (!file) {
    console.error(file.error().text);
    loaded.usable = false;
    return loaded;
  }
  config::Diagnostics diagnostics;
  loaded.document = config::parse_yaml(*file, diagnostics);
  if (loaded.document) loaded.settings = config::load_settings(*loaded.document, diagnostics);
  std::fputs(diagnostics.render(console.colour()).c_str(), stderr);
  loaded.usable = !diagnostics.has_errors() && loaded.document != nullptr;
  return loaded;
}

bool is_pipe_or_file(int fd) {
  struct stat status = {};
  return fstat(fd, &status) == 0 &&
         (S_ISFIFO(status.st_mode) || S_ISREG(status.st_mode) || S_ISSOCK(status.st_mode));
}

// What is read: targets of the file or FILE arguments, standard input behind them.
struct Reading {
  std::vector<pipeline::TargetSpec> targets;
  std::vector<pipeline::Wrapper> wrappers;
  std::optional<pipeline::StdinSpec> standard_input;
};

pipeline::Wrapper wrapper_of(config::Wrapper wrapper) {
  switch (wrapper) {
    case config::Wrapper::automatic:
      return pipeline::Wrapper::automatic;
    case config::Wrapper::none:
      return pipeline::Wrapper::none;
    case config::Wrapper::docker:
      return pipeline::Wrapper::docker;
    case config::Wrapper::cri:
      return pipeline::Wrapper::cri;
  }
  return pipeline::Wrapper::automatic;
}

Reading what_to_read(const RunOptions& options, pipeline::Wrapper of_stdin) {
  const auto from = [](config::From f) {
    return f == config::From::end ? pipeline::From::end : pipeline::From::beginning;
  };
  Reading reading;
  bool stdin_wanted = options.from_stdin;
  if (!options.files.empty()) {
    for (const std::string& file : options.files) {
      reading.targets.push_back(
          {.name = file, .paths = {file}, .exclude = {}, .from = from(options.from)});
      reading.wrappers.push_back(pipeline::Wrapper::automatic);
    }
  } else if (!stdin_wanted && !options.targets.empty()) {
    for (const config::Target& target : options.targets) {
      reading.targets.push_back({.name = target.name,
                                 .paths = target.paths,
                                 .exclude = target.exclude,
                                 .from = from(target.from),
                                 .rotated = target.rotated});
      reading.wrappers.push_back(wrapper_of(target.wrapper));
    }
  } else if (!stdin_wanted) {
    stdin_wanted = is_pipe_or_file(STDIN_FILENO);
  }
  if (stdin_wanted) {
    reading.standard_input = pipeline::StdinSpec{
        .name = "stdin", .fd = STDIN_FILENO, .tee_fd = options.tee ? STDOUT_FILENO : -1};
    reading.wrappers.push_back(of_stdin);
  }
  return reading;
}

std::string described(const Reading& reading) {
  std::string text;
  if (reading.targets.size() == 1) {
    text = reading.targets[0].name;
  } else if (reading.targets.size() > 1) {
    text = fmt::format("{} targets", reading.targets.size());
  }
  if (reading.standard_input) text += text.empty() ? "stdin" : " and stdin";
  return text;
}

void tell_banner(const Console& console, const RunOptions& options, const Reading& reading,
                 const KeptState* state, const http::Server* server) {
  std::string packs;
  for (const std::string& pack : options.packs) packs += (packs.empty() ? "" : ", ") + pack;
  std::string rules =
      options.packs.empty() ? "no built-in rules" : "built-in rules \"" + packs + "\"";
  if (!options.rules.empty())
    rules += fmt::format(", {} rule {}", options.rules.size(),
                         options.rules.size() == 1 ? "path" : "paths");
  const std::string from =
      options.config_file ? "configuration " + *options.config_file : "no logtally.yaml found";
  console.say(fmt::format("logtally {}: reading {}, {} ({})", build_info().version,
                          described(reading), rules, from));
  if (state != nullptr)
    console.say(
        fmt::format("  state     {}{}", state->directory(), state->fresh() ? " (new)" : ""));
  if (server == nullptr) return;
  const bool everywhere = options.listen.host.empty();
  const std::string host =
      everywhere || options.listen.host == "127.0.0.1" ? "localhost" : options.listen.host;
  const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  console.say(fmt::format("  metrics   http://{}:{}/metrics", shown, server->port()));
  console.say(fmt::format("  health    http://{}:{}/-/healthy", shown, server->port()));
  if (everywhere)
    console.warning(
        fmt::format("port {} is open on all interfaces, without a password", server->port()));
}

// Which file each of the rules comes from, in the order in which they act.
void tell_rules(const Console& console, const rules::RuleSet& rules) {
  std::vector<std::pair<std::string, std::size_t>> counts;
  for (const rules::Rule& rule : rules.rules()) {
    const std::string& file = rule.place.file->name;
    if (counts.empty() || counts.back().first != file) counts.emplace_back(file, 0);
    ++counts.back().second;
  }
  for (const auto& [file, count] : counts)
    console.say(fmt::format("  rules     {} of {}", count, file));
  if (!rules.switched_off().empty())
    console.say(fmt::format("  rules     {} switched off", rules.switched_off().size()));
  console.say(fmt::format("  metrics   {} declared", rules.families().size()));
}

void tell_port_taken(const Console& console, const std::string& why, std::uint16_t port) {
  console.error(why);
  if (why.find("already in use") == std::string::npos) return;
  if (why.find("aria_engine") != std::string::npos) {
    std::fprintf(stderr, "         = note: aria_engine serves /health on %u itself\n", port);
  }
  std::fprintf(stderr,
               "         = help: METRICS_PORT=%u logtally …   (and scrape :%u), or run logtally in "
               "its own container\n",
               port == 9091 ? 9092U : 9091U, port == 9091 ? 9092U : 9091U);
}

// What the operator hears while it runs: once when nothing comes, now and then how it goes.
class Commentary {
 public:
  Commentary(const Console& console, const pipeline::Worker& worker, bool from_stdin)
      : console_(console), worker_(worker), from_stdin_(from_stdin) {}

  void tick() {
    ++seconds_;
    const pipeline::Worker::Progress now = worker_.progress();
    if (seconds_ == 10 && now.read == 0 && from_stdin_) {
      console_.log("still no line on stdin after 10 s");
      console_.say(
          "         = help: many engines log to stderr: `engine 2>&1 | logtally`; Python: also set "
          "PYTHONUNBUFFERED=1");
      return;
    }
    const unsigned period = console_.terminal() ? 10 : 60;
    if (seconds_ % period != 0 && seconds_ != 10) return;
    if (now.read == last_.read) return;
    const std::uint64_t records = now.matched + now.unmatched;
    const double matched =
        records == 0 ? 0.0
                     : 100.0 * static_cast<double>(now.matched) / static_cast<double>(records);
    const std::uint64_t rate = (now.read - last_.read) / (seconds_ - last_seconds_);
    if (console_.terminal()) {
      console_.log(fmt::format("{} lines  {}/s  matched {:.1f} %  series {}  unmatched {}",
                               grouped(now.read), grouped(rate), matched, now.series,
                               grouped(now.unmatched)));
    } else {
      console_.say(fmt::format("msg=status read={} rate={} matched={} unmatched={} series={}",
                               now.read, rate, now.matched, now.unmatched, now.series));
    }
    last_ = now;
    last_seconds_ = seconds_;
  }

 private:
  const Console& console_;
  const pipeline::Worker& worker_;
  bool from_stdin_;
  unsigned seconds_ = 0;
  unsigned last_seconds_ = 0;
  pipeline::Worker::Progress last_;
};

metrics::OwnMetricsSpec own_metrics_spec(const rules::RuleSet& rules,
                                         const pipeline::Inputs& inputs) {
  metrics::OwnMetricsSpec spec{.build = build_info(), .targets = {}, .rules = {}, .metrics = {}};
  for (std::uint32_t target = 0; target < inputs.target_count(); ++target)
    spec.targets.emplace_back(inputs.target_name(target));
  for (const rules::Rule& rule : rules.rules()) {
    metrics::OwnRule own{.name = rule.name, .actions = {}};
    for (const rules::Action& action : rule.actions) own.actions.push_back(action.name);
    spec.rules.push_back(std::move(own));
  }
  for (const metrics::FamilySpec& family : rules.families()) spec.metrics.push_back(family.name);
  for (const auto& [family, label] : rules.capped_labels()) {
    spec.capped_labels.push_back(
        {.metric = rules.families()[family].name, .label = rules.families()[family].labels[label]});
  }
  for (const rules::Redaction& redaction : rules.redactions().all())
    spec.redactions.push_back(redaction.name);
  for (const rules::TableSpec& table : rules.tables()) spec.tables.push_back(table.name);
  return spec;
}

// Writes all of it, whatever a signal interrupts; false when the reader is gone.
bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// Started in a terminal that has been closed: the hangup means the end, not a reload.
bool terminal_is_gone(const Console& console) {
  if (!console.terminal()) return false;
  const pipeline::OwnedFd terminal(::open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY));
  return !terminal;
}

// Hands a load's outcome to the operator: success as one line and its warnings, a failure with all
// that `check` says.
void tell_reload(const Console& console, const ReloadOutcome& outcome) {
  if (outcome.successful) {
    const std::size_t end = outcome.text.find('\n');
    console.log(outcome.text.substr(0, end));
    if (end != std::string::npos) std::fputs(outcome.text.c_str() + end + 1, stderr);
    return;
  }
  if (outcome.repeated) {
    console.log("reload failed, the rules of before stay at work; still failing: " + outcome.first);
    return;
  }
  console.log("reload failed, the rules of before stay at work:");
  std::fputs(outcome.text.c_str(), stderr);
}

// Most lines are text that nothing can be made of: most often the formats are missing.
void tell_bare(const Summary& summary, const rules::RuleSet& rules, std::vector<std::string> files,
               const Console& console) {
  if (summary.bare * 2 <= summary.read ||
      summary.unmatched * 2 <= summary.matched + summary.unmatched)
    return;
  files.emplace_back("/dev/stdin");  // of use where that is a file
  const FormatHint hint = format_hint(rules, first_lines(files));
  console.say(fmt::format("hint: {} of {} lines fit no format and match no rule ({}); {}",
                          grouped(summary.bare), grouped(summary.read), hint.note, hint.help));
}

}  // namespace

int run(const config::CommandLine& line, const config::Environment& environment,
        const Supervision& supervision) {
  const Console console(line.colour, line.verbosity, environment);
  const Configuration configuration = load_configuration(line, console);
  if (!configuration.usable) return kExitConfiguration;
  const RunOptions options = config::resolve(line, configuration.settings);
  if (options.print_config) {
    return write_all(STDOUT_FILENO, config::print_config(options)) ? kExitSuccess : kExitWrong;
  }

  const std::uint64_t loaded = fingerprint_of(rule_paths(line, options));
  config::Diagnostics diagnostics;
  RuleTexts texts;
  const auto rules = load_rules(
      {.packs = options.packs, .paths = options.rules, .configuration = configuration.document},
      diagnostics, options.once ? nullptr : &texts);
  if (rules == nullptr || line.verbosity >= 0)
    std::fputs(diagnostics.render(console.colour()).c_str(), stderr);
  if (rules == nullptr) return kExitConfiguration;

  Reading reading = what_to_read(
      options, supervision.labelled ? pipeline::Wrapper::cri : pipeline::Wrapper::automatic);
  if (reading.targets.empty() && !reading.standard_input) {
    console.error(
        "there is nothing to read: no FILE, no target in a logtally.yaml, and standard input is no "
        "pipe");
    std::fputs(config::help_text().c_str(), stderr);
    return kExitUsage;
  }

  Interrupts::block_signals(options.once ? Interrupts::Hangup::ends : Interrupts::Hangup::waited);
  pipeline::TailOptions tail;
  tail.follow = !options.once;
  tail.from_beginning = options.once || options.from == config::From::beginning;
  tail.line_bytes = options.limits.line_bytes;
  std::string no_state;
  auto opened = KeptState::open(options, environment, reading.targets, no_state);
  if (!opened) {
    console.error(opened.error().text);
    return kExitWrong;
  }
  std::optional<KeptState> state = *std::move(opened);
  if (!no_state.empty()) console.warning(no_state);
  if (state) state->prepare(reading.targets, tail);
  if (state && reading.standard_input) state->spool(options, *reading.standard_input);
  auto inputs = pipeline::Inputs::open(reading.targets, reading.standard_input, tail);
  if (!inputs) {
    console.error(inputs.error().text);
    return kExitWrong;
  }
  int exit_code = kExitSuccess;
  if (options.once) {
    for (const std::string& missing : (*inputs)->missing()) {
      console.error(missing + ": no such file");
      exit_code = kExitWrong;
    }
  }

  pipeline::WorkerOptions worker_options;
  worker_options.wrappers = reading.wrappers;
  worker_options.record_bytes = options.limits.record_bytes;
  worker_options.record_lines = options.limits.record_lines;
  worker_options.series_per_metric = options.limits.series_per_metric;
  worker_options.series = options.limits.series;
  worker_options.follow = !options.once;
  worker_options.log = [&console](const std::string& text) { console.log(text); };
  if (state) worker_options.checkpoints = &state->checkpoints();
  pipeline::Worker worker(rules, **inputs, std::move(worker_options));
  metrics::Registry registry(worker.series());
  std::unique_ptr<metrics::OwnMetrics> own;  // without a port nobody sees it
  if (options.serve) {
    metrics::OwnMetricsSpec spec = own_metrics_spec(*rules, **inputs);
    spec.engine_pid = line.engine_pid;
    spec.worker_restarts = supervision.restarts;
    own = std::make_unique<metrics::OwnMetrics>(spec);
    own->reloaded(true, std::chrono::system_clock::now());
  }
  if (state) {
    for (const std::string& message : state->messages()) console.log(message);
    const auto messages = state->restore(worker);
    if (!messages) {
      console.error(messages.error().text);
      return kExitWrong;
    }
    for (const std::string& message : *messages) console.log(message);
  }
  worker.connect(registry, own.get());

  RuleReload rule_reload(line, options, worker, std::move(texts), [&](const rules::RuleSet& next) {
    return own_metrics_spec(next, **inputs);
  });
  std::unique_ptr<ReloadThread> reload;
  if (!options.once) {
    reload = std::make_unique<ReloadThread>(
        Reload::Calls{.load = [&] { return rule_reload.load(); },
                      .fingerprint = [&] { return fingerprint_of(rule_reload.paths()); },
                      .at =
                          [&](const ReloadOutcome& outcome) {
                            if (own != nullptr)
                              own->reloaded(outcome.successful, std::chrono::system_clock::now());
                          },
                      .tell = [&](const ReloadOutcome& outcome) { tell_reload(console, outcome); }},
        loaded, [&] { return rule_reload.paths(); });
  }

  std::atomic<bool> running = true;
  const bool behind = state && state->behind();  // outlives the server, as all that it asks for
  std::unique_ptr<http::Server> server;
  if (options.serve) {
    const auto created =
        options.exposition.created_timestamps ? metrics::Created::shown : metrics::Created::hidden;
    const auto page = [&, created, behind](http::MetricsFormat format) {
      const auto begin = std::chrono::steady_clock::now();
      worker.commit_now(kScrapeWaits);
      if (behind && !worker.caught_up()) return std::optional<std::string>();
      std::vector<metrics::FamilySnapshot> counted;
      std::vector<prometheus::MetricFamily> of_program;
      worker.between_commits([&] {  // so that both are of the same rules
        counted = registry.scrape();
        of_program = own->collect();
      });
      std::string text;
      if (format == http::MetricsFormat::openmetrics) {
        metrics::append_openmetrics(text, counted, std::move(of_program), created);
      } else {
        metrics::append_text(text, counted, std::move(of_program));
      }
      own->scraped(std::chrono::steady_clock::now() - begin);
      return std::optional(std::move(text));
    };
    const auto ready = [&] {
      if (!running) return http::Readiness{.ready = false, .reason = "stopping"};
      std::string trouble = worker.trouble();
      if (!trouble.empty()) return http::Readiness{.ready = false, .reason = std::move(trouble)};
      if (behind && !worker.caught_up())
        return http::Readiness{.ready = false, .reason = "counts again what an older state lacks"};
      return http::Readiness{.ready = true};
    };
    http::ServerOptions server_options;
    server_options.listen = {.host = options.listen.host, .port = options.listen.port};
    auto routes = http::metrics_routes(page, ready);
    if (reload) {
      routes.push_back(http::reload_route([&](std::function<void(http::ReloadAnswer)> reply) {
        reload->ask([reply = std::move(reply)](const ReloadOutcome& outcome) {
          reply({.successful = outcome.successful, .text = outcome.text});
        });
      }));
    }
    auto started = http::Server::start(server_options, std::move(routes));
    if (!started) {
      tell_port_taken(console, started.error().text, options.listen.port);
      return kExitWrong;
    }
    server = std::move(*started);
  }
  tell_banner(console, options, reading, state ? &*state : nullptr, server.get());
  if (line.verbosity > 0) tell_rules(console, *rules);
  if (supervision.ready) supervision.ready();

  {
    Commentary commentary(console, worker, reading.standard_input.has_value());
    const Interrupts interrupts(
        {.on_signal = [&](int) { worker.stop(); },
         .on_hangup =
             [&] {
               if (terminal_is_gone(console) || reload == nullptr) {
                 worker.stop();
               } else {
                 reload->ask([](const ReloadOutcome&) {});
               }
             },
         .on_tick = options.once ? std::function<void()>() : [&] { commentary.tick(); }});
    const pipeline::Watchdog watchdog(worker.activity(),
                                      [&](const std::string& text) { console.error(text); });
    worker.run();
    running = false;
  }
  if (reload) reload->stop();  // whoever waits for it is answered
  if (server) server->stop();
  if (state && !worker.lost()) {
    if (const auto closed = state->close(); !closed) console.error(closed.error().text);
  }
  if (worker.lost()) exit_code = kExitWrong;

  if (options.print_metrics) {
    std::string text;
    metrics::append_text(text, registry.snapshot());
    if (!write_all(STDOUT_FILENO, text)) exit_code = kExitWrong;
  }
  const Summary summary = summarise(worker.totals());
  if (options.once && line.verbosity >= 0) {
    for (const std::string& text : skips_of(worker.totals(), *rules, console.terminal()))
      std::fprintf(stderr, "%s\n", text.c_str());
    tell_bare(summary, *rules, options.files, console);
  }
  std::fprintf(stderr, "%s\n",
               (console.terminal() ? for_people(summary) : logfmt(summary)).c_str());
  return exit_code;
}

}  // namespace logtally::cli
