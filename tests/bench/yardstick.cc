// The yardstick: the benchmark work over a JSON corpus, written by hand for exactly this corpus,
// with no rule engine at all. What a rule engine is measured against, in the same run:  yardstick
// FILE  prints one line: MB/s (best of 3), lines, checksum. Build: g++ -std=c++20 -O3 -DNDEBUG
// yardstick.cc -lsimdjson
#include <fcntl.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

using namespace simdjson;

struct Fields {
  std::string_view event, model, status, method, skill, agent, operation, job, error_type, logger;
  double duration = 0, tokens_in = 0, tokens_out = 0;
  std::int64_t code = 0;
  bool success = false;
};

struct Cell {
  std::uint64_t key = 0;
  double count = 0, sum = 0;
  std::uint64_t buckets[12] = {};
};

static std::vector<Cell> table(1 << 12);
static constexpr double kBounds[] = {5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000};

static std::uint64_t mix(std::uint64_t h, std::string_view s) {
  std::size_t i = 0;
  for (; i + 8 <= s.size(); i += 8) {
    std::uint64_t w;
    std::memcpy(&w, s.data() + i, 8);
    h = (h ^ w) * 0x9E3779B97F4A7C15ull;
    h ^= h >> 29;
  }
  std::uint64_t w = 0;
  std::memcpy(&w, s.data() + i, s.size() - i);
  h = (h ^ w ^ (std::uint64_t(s.size()) << 56)) * 0x9E3779B97F4A7C15ull;
  return h ^ (h >> 32);
}

static Cell& cell(std::string_view metric, std::string_view a, std::string_view b = {}) {
  const std::uint64_t key = mix(mix(mix(1469598103934665603ull, metric), a), b) | 1;
  std::size_t i = key >> 1 & (table.size() - 1);
  while (table[i].key && table[i].key != key) i = (i + 1) & (table.size() - 1);
  table[i].key = key;
  return table[i];
}

static void observe(Cell& c, double v) {
  int i = 0;
  while (i < 11 && v > kBounds[i]) ++i;
  ++c.buckets[i];
  c.sum += v;
  ++c.count;
}

static void extract(ondemand::object object, Fields& f) {
  for (auto field : object) {
    std::string_view key = field.unescaped_key();
    if (key == "logger") {
      f.logger = field.value().get_string();
    } else if (key == "exception") {
      ondemand::object inner = field.value().get_object();
      for (auto g : inner) {
        std::string_view k = g.unescaped_key();
        if (k == "type") f.error_type = g.value().get_string();
      }
    } else if (key == "extra") {
      ondemand::object inner = field.value().get_object();
      for (auto g : inner) {
        std::string_view k = g.unescaped_key();
        auto v = g.value();
        if (k == "event")
          f.event = v.get_string();
        else if (k == "model")
          f.model = v.get_string();
        else if (k == "status")
          f.status = v.get_string();
        else if (k == "duration_ms" || k == "latency_ms")
          f.duration = v.get_double();
        else if (k == "method")
          f.method = v.get_string();
        else if (k == "status_code")
          f.code = v.get_int64();
        else if (k == "skill")
          f.skill = v.get_string();
        else if (k == "success")
          f.success = v.get_bool();
        else if (k == "selected_agent")
          f.agent = v.get_string();
        else if (k == "operation")
          f.operation = v.get_string();
        else if (k == "job_id")
          f.job = v.get_string();
        else if (k == "tokens_input")
          f.tokens_in = v.get_double();
        else if (k == "tokens_output")
          f.tokens_out = v.get_double();
      }
    }
  }
}

static void count(const Fields& f) {
  if (f.event == "http_request") {
    const char code[3] = {char('0' + f.code / 100), char('0' + f.code / 10 % 10),
                          char('0' + f.code % 10)};
    ++cell("requests", f.method, {code, 3}).count;
    observe(cell("request_duration", f.method), f.duration);
  } else if (f.event == "llm_request") {
    ++cell("llm", f.model, f.status).count;
    observe(cell("llm_duration", f.model), f.duration);
    cell("tokens_in", f.model).count += f.tokens_in;
    cell("tokens_out", f.model).count += f.tokens_out;
  } else if (f.event == "skill_execution") {
    ++cell("skill", f.skill, f.success ? "true" : "false").count;
    observe(cell("skill_duration", f.skill), f.duration);
  } else if (f.event == "agent_routing") {
    ++cell("routing", f.agent).count;
  } else if (f.event == "db_query") {
    ++cell("db", f.operation).count;
    observe(cell("db_duration", f.operation), f.duration);
  } else if (f.event == "scheduler_job") {
    ++cell("job", f.job, f.status).count;
    observe(cell("job_duration", f.job), f.duration);
  } else if (!f.error_type.empty()) {
    ++cell("error", f.error_type, f.logger).count;
  }
}

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: yardstick FILE\n"), 2;
  const int fd = open(argv[1], O_RDONLY);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0) return std::perror(argv[1]), 1;
  constexpr std::size_t kChunk = 1 << 20;
  std::vector<char> buffer(2 * kChunk + SIMDJSON_PADDING);
  ondemand::parser parser;
  double best = 1e9;
  std::size_t lines = 0, bad = 0;
  for (int run = 0; run < 3; ++run) {
    const auto start = std::chrono::steady_clock::now();
    std::size_t kept = 0;
    off_t offset = 0;
    lines = 0;
    for (;;) {
      const ssize_t n = pread(fd, buffer.data() + kept, kChunk, offset);
      if (n <= 0) break;
      offset += n;
      char* const end = buffer.data() + kept + n;
      char* line = buffer.data();
      while (char* newline = static_cast<char*>(std::memchr(line, '\n', end - line))) {
        ondemand::document document;
        Fields f;
        try {
          if (parser.iterate(line, newline - line, newline - line + SIMDJSON_PADDING).get(document))
            ++bad;
          else
            extract(document.get_object(), f), count(f);
        } catch (const simdjson_error&) {
          ++bad;
        }
        ++lines;
        line = newline + 1;
      }
      kept = end - line;
      std::memmove(buffer.data(), line, kept);
    }
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  double sum = 0;
  for (const Cell& c : table) sum += c.count;
  std::printf("%.0f MB/s, %zu lines, %zu bad, checksum %.0f\n", st.st_size / best / 1e6, lines, bad,
              sum / 3);
}
