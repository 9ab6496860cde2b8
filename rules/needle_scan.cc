#include "rules/needle_scan.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "rules/json_kernels.h"

namespace logtally::rules {
namespace {

constexpr std::size_t kBuckets = 8;
constexpr std::size_t kFingerprint = 4;
constexpr std::size_t kShortest = 3;

char small(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
char large(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; }
std::size_t low_bits(char c) { return static_cast<unsigned char>(c) & 15U; }
std::size_t high_bits(char c) { return static_cast<unsigned char>(c) >> 4U; }
bool can_be_first(char c) {
  return static_cast<unsigned char>(c) >= 0x40 && static_cast<unsigned char>(c) < 0x80;
}

// What logs look like: fingerprints and buckets are chosen such that little of it is let through.
constexpr std::string_view kTypical =
    R"log({"timestamp":"2026-02-28T10:30:45.124800Z","level":"INFO","logger":"engine.api","message":"Request completed","module":"middleware","function":"dispatch","line":88,"trace_id":"35bf992dc9e9c616612e7696a6cecc1b","request_id":"req-10617311d8a3","extra":{"event":"http_request","method":"POST","path":"/api/memories","status_code":200,"duration_ms":73.09,"client":"10.0.0.208"}}
{"timestamp":"2026-02-28T10:30:45.125529Z","level":"WARNING","logger":"engine.llm_gateway","message":"LLM request completed","function":"complete","lineno":145,"span_id":"9c616612e7696a6c","extra":{"event":"llm_request","model":"claude-sonnet-4","provider":"openrouter","status":"success","tokens_input":2902,"tokens_output":275,"cost":0.00123,"temperature":0.7,"stream":false}}
{"event": "skill.execution", "skill": "knowledge_graph", "operation": "update", "success": true, "latency_ms": 61.97, "error": null, "attempt": 2, "cached": false, "user": "agent-17", "levelname": "DEBUG", "asctime": "2026-02-28 10:30:45,129", "process": 4711, "threadName": "MainThread", "taskName": "Task-12"}
2026-02-28 10:30:45 [engine.chat] INFO Created session 5eb561a4-ea7b-49a9-9795-94b2a02f34a6 for agent=aria model=kimi priority=3
2026-02-28 10:30:45 [engine.routing] DEBUG Route score analyst: pheromone=0.613 specialty=0.400 -> combined=0.520 latency=12 retry=0
2026-02-28 10:30:45 [apscheduler.executors.default] INFO Running job "Scheduler.heartbeat (trigger: interval[0:01:00], next run at: 2026-02-28 10:31:45 UTC)" (scheduled at 2026-02-28 10:30:45.000000+00:00)
2026-02-28 10:30:46,001 INFO sqlalchemy.engine.Engine SELECT sessions.id, sessions.created_at, sessions.metadata AS anon_1 FROM sessions WHERE sessions.status = %(status_1)s ORDER BY sessions.updated_at DESC LIMIT %(param_1)s
2026-02-28 10:30:46,002 INFO sqlalchemy.engine.Engine [cached since 12.5s ago] {'status_1': 'active', 'param_1': 50}
INFO:     127.0.0.1:51234 - "GET /api/v1/projects/demo/status?limit=50&offset=100 HTTP/1.1" 200 OK
INFO:     Application startup complete. Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)
HTTP Request: POST https://api.example.com/v1/chat/completions "HTTP/1.1 429 Too Many Requests"
Traceback (most recent call last):
  File "/usr/local/lib/python3.12/site-packages/httpx/_transports/default.py", line 101, in map_httpcore_exceptions
    raise mapped_exc(message) from exc
    return await self._client.post(url, json=payload, headers=self.headers, timeout=self.timeout)
  File "/app/src/engine/core/pipeline.py", line 42, in execute_with_metrics
sqlalchemy.exc.OperationalError: connection to server at "localhost" (::1), port 5432 failed: Connection refused
ValueError: invalid literal for int() with base 10: 'abc' for key 'max_tokens'
level=info ts=2026-02-28T10:30:45Z caller=main.go:88 msg="Server is ready to receive web requests." component=web duration=1.2s err=<nil> id=4f3c count=7 size=1024
Loaded configuration from /etc/app/config.yaml with 12 models, 3 agents; cache hit ratio 0.97; breaker open after 5 failures; memory 512 MiB of 2 GiB used
Session message stored: role=assistant chars=3320 tokens=812 agent_id=social ses-f79b17aeefba91fc; task-17 finished, next task-18 (risk: low)
INSERT INTO skill_invocations (skill_name, tool_name, duration_ms, success, error_type, tokens_used, model_used) VALUES (?, ?, ?, ?, ?, ?, ?)
)log";

// Places of it, a bit each.
constexpr std::size_t kWords = kTypical.size() / 64 + 2;  // one more: places are shifted
using Places = std::array<std::uint64_t, kWords>;

// By the low, and by the high four bits of the byte that stands there.
struct HalfPlaces {
  std::array<Places, 16> low{};
  std::array<Places, 16> high{};
  Places all{};
};
constexpr HalfPlaces kHalves = [] {
  HalfPlaces halves;
  for (std::size_t i = 0; i < kTypical.size(); ++i) {
    const auto byte = static_cast<unsigned char>(kTypical[i]);
    halves.low[byte & 15U][i / 64] |= std::uint64_t{1} << i % 64;
    halves.high[byte >> 4U][i / 64] |= std::uint64_t{1} << i % 64;
    halves.all[i / 64] |= std::uint64_t{1} << i % 64;
  }
  return halves;
}();

// How often each byte stands in it: by its high, then by its low four bits.
constexpr std::array<std::array<std::uint16_t, 16>, 16> kFrequencies = [] {
  std::array<std::array<std::uint16_t, 16>, 16> times{};
  for (const char c : kTypical) {
    const auto byte = static_cast<unsigned char>(c);
    ++times[byte >> 4U][byte & 15U];
  }
  return times;
}();

// Eight bytes, the first one lowest.
std::uint64_t first_bytes(const char* at) {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, at, sizeof bytes);
  if constexpr (std::endian::native == std::endian::big) bytes = __builtin_bswap64(bytes);
  return bytes;
}

// Which buckets' fingerprints a place is in.
unsigned bits_at(const NeedleTables& tables, const char* place) {
  unsigned bits = 0xFF;
  for (std::size_t i = 0; i < kFingerprint; ++i)
    bits &= tables.low[i][low_bits(place[i])] & tables.high[i][high_bits(place[i])];
  return bits;
}

// The halves of bytes that are let through, by place in a fingerprint.
struct Bucket {
  std::array<std::uint16_t, kFingerprint> low{};
  std::array<std::uint16_t, kFingerprint> high{};

  Bucket with(std::string_view print) const {
    Bucket wider = *this;
    for (std::size_t i = 0; i < kFingerprint; ++i) {
      const auto let = [&](char c) {
        wider.low[i] = static_cast<std::uint16_t>(wider.low[i] | 1U << low_bits(c));
        wider.high[i] = static_cast<std::uint16_t>(wider.high[i] | 1U << high_bits(c));
      };
      if (i < print.size()) {
        let(print[i]);
        let(large(print[i]));
      } else {
        wider.low[i] = 0xFFFF;
        wider.high[i] = 0xFFFF;
      }
    }
    return wider;
  }
  // What is let through: places in the typical text, and of any text by the frequency of its bytes.
  double weight() const {
    Places found = places(0);
    for (std::size_t i = 1; i < kFingerprint; ++i) {
      const Places next = places(i);
      for (std::size_t w = 0; w + 1 < kWords; ++w)
        found[w] &= next[w] >> i | next[w + 1] << (64 - i);
    }
    int times = 0;
    for (std::size_t w = 0; w + 1 < kWords; ++w) {
      if (found[w] != 0) times += std::popcount(found[w]);
    }
    auto any = static_cast<double>(kTypical.size());
    for (std::size_t i = 0; i < kFingerprint; ++i)
      any *= static_cast<double>(share(i)) / static_cast<double>(kTypical.size());
    return static_cast<double>(times) + any;
  }

 private:
  // Where the typical text has what may be a fingerprint's byte `i`, and how often.
  Places places(std::size_t i) const {
    Places lows = any_of(kHalves.low, low[i]);
    const Places highs = any_of(kHalves.high, high[i]);
    for (std::size_t w = 0; w < kWords; ++w) lows[w] &= highs[w];
    return lows;
  }
  std::size_t share(std::size_t i) const {
    std::size_t times = 0;
    for (unsigned h = high[i]; h != 0; h &= h - 1) {
      const auto& row = kFrequencies[static_cast<std::size_t>(std::countr_zero(h))];
      for (unsigned l = low[i]; l != 0; l &= l - 1)
        times += row[static_cast<std::size_t>(std::countr_zero(l))];
    }
    return times;
  }
  static Places any_of(const std::array<Places, 16>& halves, unsigned which) {
    if (which == 0xFFFF) return kHalves.all;
    Places found{};
    for (; which != 0; which &= which - 1) {
      const Places& one = halves[static_cast<std::size_t>(std::countr_zero(which))];
      for (std::size_t w = 0; w < kWords; ++w) found[w] |= one[w];
    }
    return found;
  }
};
static_assert(kFingerprint == 4);

double weight_of(std::string_view print) { return Bucket().with(print).weight(); }

// Where a text's rarest fingerprint begins.
std::size_t best_fingerprint(std::string_view text) {
  std::size_t best = std::string_view::npos;
  double least = 0;
  for (std::size_t i = 0; i + kShortest <= text.size(); ++i) {
    if (!can_be_first(text[i])) continue;
    const double weight = weight_of(text.substr(i, kFingerprint));
    if (best != std::string_view::npos && weight >= least) continue;
    best = i;
    least = weight;
  }
  return best;
}

}  // namespace

bool NeedleScan::usable(std::string_view text) {
  if (text == "@") return true;
  if (text.size() < kShortest || text.size() >= 256) return false;
  return std::any_of(text.begin(), text.end() - (kShortest - 1), can_be_first);
}

NeedleScan::NeedleScan(std::vector<Needle> needles) {
  use(Kernel::best);
  std::array<Bucket, kBuckets> buckets{};
  // The least selective first: the others find their place beside them.
  std::vector<std::pair<double, std::size_t>> order;
  for (Needle& needle : needles) {
    const NeedlePlace fixed = needle.place;
    const std::string_view text = needle.text;
    std::size_t offset = 0;
    if (fixed.bucket >= 0) {
      offset = static_cast<std::size_t>(fixed.offset);
      const std::string_view print = text.substr(offset, kFingerprint);
      const auto bucket = static_cast<std::size_t>(fixed.bucket);
      buckets[bucket] = buckets[bucket].with(print);
      buckets_[bucket].push_back(static_cast<std::uint16_t>(needles_.size()));
    } else if (text == "@") {
      tables_.single = '@';
      buckets_[kBuckets].push_back(static_cast<std::uint16_t>(needles_.size()));
    } else {
      offset = best_fingerprint(text);
      order.emplace_back(-weight_of(text.substr(offset, kFingerprint)), needles_.size());
    }
    add(std::move(needle), offset);
  }
  std::array<double, kBuckets> weight{};
  std::sort(order.begin(), order.end());
  if (!order.empty()) {
    for (std::size_t b = 0; b < kBuckets; ++b) weight[b] = buckets[b].weight();
  }
  for (const auto& [alone, number] : order) {
    const std::string_view print = std::string_view(needles_[number].needle.text)
                                       .substr(needles_[number].offset, kFingerprint);
    std::size_t best = 0;
    double best_cost = 0;
    for (std::size_t b = 0; b < kBuckets; ++b) {
      const double cost = buckets[b].with(print).weight() - weight[b];
      if (b > 0 && cost >= best_cost) continue;
      best = b;
      best_cost = cost;
    }
    buckets[best] = buckets[best].with(print);
    weight[best] += best_cost;
    buckets_[best].push_back(static_cast<std::uint16_t>(number));
  }
  for (std::size_t b = 0; b < kBuckets; ++b) {
    const auto bit = static_cast<std::uint8_t>(1U << b);
    for (std::size_t i = 0; i < kFingerprint; ++i) {
      for (std::size_t n = 0; n < 16; ++n) {
        if (buckets[b].low[i] >> n & 1) tables_.low[i][n] |= bit;
        if (buckets[b].high[i] >> n & 1) tables_.high[i][n] |= bit;
      }
    }
  }
  constexpr std::uint8_t kSingle = 0x80;
  for (std::size_t b = 0; b < kBuckets; ++b) {
    // The highest bit is the single byte's: two buckets share the one below.
    const auto bit = static_cast<std::uint8_t>(1U << std::min(b, kBuckets - 2));
    for (const std::uint16_t number : buckets_[b]) {
      const Placed& placed = needles_[number];
      for (std::size_t i = 0; i < kFingerprint; ++i) {
        for (unsigned c = 0; c < 128; ++c) {
          if (placed.offset + i >= placed.needle.text.size() ||
              small(static_cast<char>(c)) == placed.needle.text[placed.offset + i])
            tables_.wide[i][c & 63] |= bit;
        }
      }
    }
  }
  if (!buckets_[kBuckets].empty()) {
    tables_.wide[0][static_cast<unsigned char>(tables_.single) & 63U] |= kSingle;
    for (std::size_t i = 1; i < kFingerprint; ++i) {
      for (std::uint8_t& entry : tables_.wide[i]) entry |= kSingle;
    }
  }
}

void NeedleScan::add(Needle needle, std::size_t offset) {
  Placed placed{.needle = std::move(needle), .offset = static_cast<std::uint8_t>(offset)};
  const std::string& text = placed.needle.text;
  for (std::size_t i = std::min(text.size(), sizeof placed.head); i-- > 0;) {
    const bool letter = text[i] >= 'a' && text[i] <= 'z';
    placed.head = placed.head << 8 | static_cast<unsigned char>(text[i]);
    placed.fold = placed.fold << 8 | (letter ? 0x20U : 0U);
    placed.mask = placed.mask << 8 | 0xFFU;
  }
  if (text != "@") {
    std::uint32_t print = 0;
    for (std::size_t i = kFingerprint; i-- > 0;) {
      const bool within = offset + i < text.size();
      print = print << 8 | (within ? static_cast<unsigned char>(text[offset + i]) : 0U);
    }
    tables_.add_print(print);
  }
  needles_.push_back(std::move(placed));
}

void NeedleScan::use(Kernel kernel) {
  scan_ = &scan_needles_portable;
  if (kernel != Kernel::portable && has_avx2()) scan_ = &scan_needles_avx2;
  if (kernel == Kernel::best && has_avx2() && has_avx512_vbmi()) scan_ = &scan_needles_avx512;
}

std::uint64_t NeedleScan::owners_at(const char* begin, const char* place, const char* end) const {
  std::uint64_t found = 0;
  const auto judge = [&](std::size_t bucket) {
    for (const std::uint16_t number : buckets_[bucket]) {
      const Placed& placed = needles_[number];
      const std::string& text = placed.needle.text;
      if (place - begin < placed.offset) continue;
      const char* const start = place - placed.offset;
      if (static_cast<std::size_t>(end - start) < text.size()) continue;
      if (((first_bytes(start) | placed.fold) & placed.mask) != placed.head) continue;
      std::size_t i = sizeof placed.head;
      while (i < text.size() && small(start[i]) == text[i]) ++i;
      if (i < text.size()) continue;
      if (placed.needle.check == nullptr || placed.needle.check(begin, start, end))
        found |= std::uint64_t{1} << placed.needle.owner;
    }
  };
  if (*place == tables_.single) judge(kBuckets);
  unsigned bits = bits_at(tables_, place);
  for (std::size_t b = 0; bits != 0; ++b, bits >>= 1) {
    if (bits & 1) judge(b);
  }
  return found;
}

const char* NeedleScan::find(const char* begin, const char* at, const char* stop,
                             const char* end) const {
  while (at < stop) {
    at = scan_(tables_, at, stop);
    if (at >= stop) break;
    if (owners_at(begin, at, end) != 0) return at;
    ++at;
  }
  return stop;
}

std::uint64_t NeedleScan::owners(std::string_view text) const {
  if (empty()) return 0;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  std::uint64_t found = 0;
  for (const char* at = scan_(tables_, begin, end); at < end; at = scan_(tables_, at + 1, end))
    found |= owners_at(begin, at, end);
  return found;
}

const char* scan_needles_portable(const NeedleTables& tables, const char* at, const char* end) {
  for (; at < end; ++at) {
    if (*at == tables.single) return at;
    if (bits_at(tables, at) != 0 && tables.may_stand_at(at)) return at;
  }
  return end;
}

}  // namespace logtally::rules
