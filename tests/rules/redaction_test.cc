#include "rules/redaction.h"

#include <random>

#include <re2/re2.h>

#include "rules/record_decoder.h"
#include "tests/cases/harness.h"

namespace logtally::rules {
namespace {

using cases::compile_or_fail;

const char* const kMetric =
    "metrics:\n  m_total: {type: counter, help: h, labels: {v: {default: none}}}\n"
    "rules:\n  all: {do: [{inc: m_total, labels: {v: $v}}]}\n";

std::shared_ptr<const RuleSet> rules_with(const std::string& redact) {
  return compile_or_fail({"redact:\n" + redact + kMetric});
}

// As a Redactor wants its text: with a newline and room to read behind it.
std::string redacted(const Redactions& redactions, std::string text,
                     RedactionCounts* counts = nullptr) {
  const std::size_t size = text.size();
  text += '\n';
  text.append(kReadableBehindLine, '\0');
  Redactor redactor(redactions);
  return std::string(redactor.redact({text.data(), size}, counts));
}

TEST_CASE("redaction: the built-in shapes find what they are made for, and nothing beside it") {
  struct Case {
    const char* shape;
    const char* in;
    const char* want;
  };
  const Case cases[] = {
      {"email", "from ana.b+c@example.co.uk, and x", "from ***, and x"},

      {"email", "<müller@exämple.de>", "<***>"},
      {"email", "root@localhost @app.route a@b @x.de", "root@localhost @app.route a@b @x.de"},
      {"ipv4", "10.0.0.1:80 and (192.168.255.255).", "***:80 and (***)."},
      {"ipv4", "1.2.3 1.2.3.4.5 256.1.1.1 v1.2.3.400 1.5",
       "1.2.3 1.2.3.4.5 256.1.1.1 v1.2.3.400 1.5"},
      {"ipv6", "[::1]:80 from 2001:db8::8a2e:370:7334, fe80::1%eth0",
       "[***]:80 from ***, ***%eth0"},
      {"ipv6", "1:2:3:4:5:6:7:8 ::ffff:10.0.0.1 2001:db8::", "*** *** ***"},
      {"ipv6", "10:30:45 std::string 12:34:56:78 ::", "10:30:45 std::string 12:34:56:78 ::"},
      {"card", "Cards 4532-0151-1283-0366 and 6011 1111 1111 1117", "Cards *** and ***"},
      {"card", "4532-0151-1283-0367 4532-0151-128 3530:1113:3330:0000",
       "4532-0151-1283-0367 4532-0151-128 3530:1113:3330:0000"},
      {"card", "card=4242424242424242 session=a3f1b2e4-c5d6-7e8f-4242-424242424242",
       "card=*** session=a3f1b2e4-c5d6-7e8f-4242-424242424242"},
      {"card", "378282246310005 at 1772274645124800", "*** at 1772274645124800"},
      {"bearer", "Bearer abcdef.123-xyz, bearer of news", "Bearer ***, bearer of news"},
      {"bearer", "{'Authorization': 'Basic dXNlcjpwYXNz'}", "{'Authorization': 'Basic ***'}"},
      {"key", "key: sk-or-v1-0123456789abcdef.", "key: ***."},
      {"key", "ghp_0123456789abcdefghij github_pat_11ABCDEFG0_abcdefgh xoxb-1234-5678-abcd",
       "*** *** ***"},
      {"key", "AKIAIOSFODNN7EXAMPLE, AIzaSyA0123456789abcdefghijklmnopqrstu hf_abcdefghijklmnopqr",
       "***, *** ***"},
      {"key",
       "sk_live_0123456789abcdef https://hooks.slack.com/services/T0/B0/xyz gsk_0123456789abcdef01",
       "*** https://*** ***"},
      {"key", "task-management-system ask-me-anything disk-0123456789 sk-1 half_0123456789abcdefgh",
       "task-management-system ask-me-anything disk-0123456789 sk-1 half_0123456789abcdefgh"},
      {"telegram", "POST https://api.telegram.org/bot123456:AAEabcdefghijklmnop-_q/getMe",
       "POST https://api.telegram.org/bot123456:***/getMe"},
      {"telegram", "robot12 bot 123456", "robot12 bot 123456"},
      {"jwt", "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl!", "***!"},
      {"query_token", "GET /x?token=abc&a=1&api_key=k%2B1&X-Amz-Signature=ff HTTP/1.1",
       "GET /x?token=***&a=1&api_key=***&X-Amz-Signature=*** HTTP/1.1"},
      {"query_token", "token=abc tokens=5 ?tokens=5 &monkeys=1",
       "token=abc tokens=5 ?tokens=5 &monkeys=1"},
      {"url_password", "postgresql+asyncpg://aria:hunter2@db:5432/x redis://:pw@r http://a@b",
       "postgresql+asyncpg://aria:***@db:5432/x redis://:***@r http://a@b"},
      {"private_key", "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- x",
       "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY----- x"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.shape, c.in);
    const auto set = rules_with("  r: {builtin: " + std::string(c.shape) + "}\n");
    CHECK(redacted(set->redactions(), c.in) == c.want);
    // The same within a JSON string.
    std::string json = "{\"a\":\"";
    std::string want = json;
    for (const char* p = c.in; *p != 0; ++p)
      json += *p == '\n' ? std::string("\\n") : std::string(1, *p);
    for (const char* p = c.want; *p != 0; ++p)
      want += *p == '\n' ? std::string("\\n") : std::string(1, *p);
    CHECK(redacted(set->redactions(), json + "\"}") == want + "\"}");
  }
  CHECK(std::size(cases) >= secret_shapes().size());
}

TEST_CASE("redaction: what is found becomes a text, a hash or nothing, and is counted") {
  const auto set = rules_with(
      "  a: {regex: '(key)=(\\w+)', with: '\\1=<\\2?>'}\n"
      "  b: {builtin: email, with: hash}\n"
      "  c: {builtin: jwt, with: drop}\n");
  RedactionCounts counts(3);
  CHECK(redacted(set->redactions(), "key=x key=y a@b.de [eyJhbGciOiJI.eyJzdWI.]", &counts) ==
        "key=<x?> key=<y?> " + redaction_hash("a@b.de") + " []");
  CHECK(counts == RedactionCounts{2, 1, 1});
  CHECK(redacted(set->redactions(), "nothing") == "nothing");
  // SipHash-2-4's reference would give this for a key of zeros: it may never change.
  CHECK(redaction_hash("").size() == 12);
  CHECK(redaction_hash("a@b.de") == redaction_hash(std::string("a@b.") + "de"));
  CHECK(redaction_hash("a@b.de") != redaction_hash("b@b.de"));
  CHECK(redaction_hash("12345") == "14e9e213cd44");
}

TEST_CASE("redaction: JSON stays JSON, however it is written") {
  const auto set = rules_with(
      "  key: {builtin: key, with: 'K\"E\\Y'}\n"
      "  q: {builtin: query_token, with: q}\n"
      "  card: {builtin: card, with: drop}\n"
      "  id: {regex: '\\b7{9}\\b', with: 'x'}\n"
      "  greedy: {regex: 'secret.*', with: gone}\n"
      "  across: {regex: '\"pin\":\\s*\"\\d+', with: '\"pin\":\"-'}\n"
      "  broken: {regex: 'start\",.*\"c', with: 'z'}\n");
  struct Case {
    const char* in;
    const char* want;
  };
  const Case cases[] = {
      {R"({"a":"sk-0123456789"})", R"({"a":"K\"E\\Y"})"},
      {R"({"a":"\u0073k-0123456789 \u00e9"})", R"({"a":"K\"E\\Y é"})"},
      {R"({"a":"\nsk-0123456789\n"})", R"({"a":"\nK\"E\\Y\n"})"},
      {R"({"a":"https:\/\/x\/?a=1\u0026token=abc"})", R"({"a":"https://x/?a=1&token=q"})"},
      {R"({"a":"?token\u003dabc&"})", R"({"a":"?token=q&"})"},
      {R"({"sk-0123456789":1})", R"({"K\"E\\Y":1})"},
      {R"({"a":4111111111111111,"b":[777777777,1]})", R"({"a":null,"b":["x",1]})"},
      {R"({"a":"the secret is x","b":"y"})", R"({"a":"the gone","b":"y"})"},
      {R"({"pin": "1234","b":"y"})", R"({"pin":"-","b":"y"})"},
      {R"({"a":"start","b":"x","c":"my end is","d":1})",
       R"({"a":"***","b":"***","c":"my end is","d":1})"},
      {R"({"a":"{\"k\":\"sk-0123456789\"}"})", R"({"a":"{\"k\":\"K\"E\\Y\"}"})"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.in);
    const std::string out = redacted(set->redactions(), c.in);
    if (std::string_view(c.in).find("{\\\"") == std::string_view::npos) CHECK(out == c.want);
    CHECK(out.find("0123456789") == std::string::npos);
    const std::string line = out + '\n' + std::string(kReadableBehindLine, '\0');
    JsonDecoder decoder(set->plan());
    Event event(set->plan());
    CHECK(decoder.decode(line.data(), event) == line.data() + out.size() + 1);
  }
}

TEST_CASE("redaction: fields are found in JSON by name and path, in text as pairs and dicts") {
  const auto set = rules_with(
      "  p: {field: prompt, with: drop}\n"
      "  u: {field: extra.user, with: hash}\n"
      "  t: {field: pin, with: 'x y'}\n");
  const std::string bob = redaction_hash("bob");
  const std::pair<std::string, std::string> cases[] = {
      {R"({"prompt":"a \" b","x":{"prompt":[1,{"y":"]"}],"z":1},"user":"bob"})",
       R"({"prompt":null,"x":{"prompt":null,"z":1},"user":"bob"})"},
      {R"({"extra":{"user":"bob"},"deep":{"extra":{"user":"bob","pin":12}}})",
       R"({"extra":{"user":")" + bob + R"("},"deep":{"extra":{"user":")" + bob +
           R"(","pin":"x y"}}})"},
      {R"({"pro\u006dpt" : true })", R"({"pro\u006dpt" : null })"},
      {"failed prompt='a \\' b' pin=12 prompts=2 x", "failed prompt= pin=x y prompts=2 x"},
      {"{'prompt': 'a, b', \"pin\": 12, 'my_prompt': 1}",
       "{'prompt': None, \"pin\": \"x y\", 'my_prompt': 1}"},
      {R"({"message":"got {'prompt': 'abc'} prompt=abc"})",
       R"({"message":"got {'prompt': None} prompt="})"},
  };
  for (const auto& [in, want] : cases) {
    CAPTURE(in);
    CHECK(redacted(set->redactions(), in) == want);
  }
}

TEST_CASE("redaction: the needles of a regular expression are what it cannot do without") {
  const std::pair<const char*, std::vector<std::string>> cases[] = {
      {"sk-[a-z]+", {"sk-"}},
      {"(?i)PassWord[:=]", {"password:", "password="}},
      {"token=\\w+|secret=\\w+", {"secret=", "token="}},
      {"https://hooks\\.example/[a-z]+", {"hooks.example"}},
      {"\\d+-\\d+", {}},
      {"12345-\\d", {}},  // no letter to begin with
      {"a?b?c?", {}},
  };
  for (const auto& [regex, want] : cases) {
    CAPTURE(regex);
    auto found = required_needles(regex);
    std::sort(found.begin(), found.end());
    CHECK(found == want);
  }
}

// Lines of many kinds, with secrets and with what looks like one, cut and joined at random.
class Lines {
 public:
  std::string next() {
    std::string line;
    const bool json = pick(2) == 0;
    if (json) line = R"({"message":")";
    for (std::size_t parts = pick(6); parts-- > 0;) {
      const std::string_view part = kParts[pick(std::size(kParts))];
      std::string text(part);
      if (pick(3) == 0 && !text.empty()) text[pick(text.size())] = kBytes[pick(kBytes.size())];
      if (pick(4) == 0) text = text.substr(0, pick(text.size() + 1));
      if (json && pick(4) == 0) {
        for (char& c : text) c = c == '"' ? '\'' : c;
      }
      line += text;
      if (pick(3) == 0) line += kBytes[pick(kBytes.size())];
    }
    if (json && pick(8) != 0) line += "\"}";
    return line;
  }

 private:
  std::size_t pick(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
  }

  static constexpr std::string_view kBytes = " .,;:=-_/\\\"'@%&?abkstxyzAK0129{}[]()\t";
  static constexpr std::string_view kParts[] = {"sk-0123456789abcdef",
                                                "ghp_0123456789abcdefghij",
                                                "a@b.de",
                                                "user%40example.org",
                                                "mail=x%40y.de",
                                                "10.0.0.1",
                                                "2001:db8::1",
                                                "4111 1111 1111 1111",
                                                "Bearer abcdefgh12",
                                                "Authorization: Basic abcdefgh==",
                                                "bot123456:abcdefghijklmnopqrst",
                                                "eyJhbGciOiJI.eyJzdWI.x",
                                                "?token=abc",
                                                "&api_key=x",
                                                "\\u0026sig=x",
                                                "postgres://u:p@h",
                                                "-----BEGIN PRIVATE KEY-----abc",
                                                "prompt='x'",
                                                "\"prompt\":\"x\",",
                                                "{'prompt': 1}",
                                                "Roundtable started: 'x'",
                                                "roundtable started",
                                                "2026-02-28 10:30:45 [x] INFO ",
                                                "\\u0073k-0123456789",
                                                "xoxb-123-456-789",
                                                "AKIAIOSFODNN7EXAMPLE",
                                                "12345 67",
                                                "id 777777777 ",
                                                "\\/",
                                                "\\n",
                                                "trace_id",
                                                "tokens=5"};
  std::mt19937_64 random_{7};
};

constexpr const char* kEverything =
    "  key: {builtin: key, with: K}\n  email: {builtin: email, with: hash}\n  ipv4: {builtin: "
    "ipv4}\n"
    "  ipv6: {builtin: ipv6}\n  card: {builtin: card}\n  bearer: {builtin: bearer}\n"
    "  telegram: {builtin: telegram}\n  jwt: {builtin: jwt, with: drop}\n  query: {builtin: "
    "query_token}\n"
    "  url: {builtin: url_password}\n  pem: {builtin: private_key}\n  prompt: {field: prompt, "
    "with: P}\n"
    "  topic: {regex: \"(?i)(Roundtable started:) '.*'\", with: '\\1 -'}\n  id: {regex: 'id "
    "\\d{9}', with: 'id -'}\n";

TEST_CASE("redaction: the scan never decides, it only saves looking") {
  const auto set = rules_with(kEverything);
  // The naive way: no needles, every expression over every text.
  std::vector<Redaction> all = set->redactions().all();
  Redactions naive(all);
  naive.look_everywhere();
  Lines lines;
  std::size_t changed = 0;
  for (int i = 0; i < 20000; ++i) {
    const std::string line = lines.next();
    const std::string fast = redacted(set->redactions(), line);
    const std::string slow = redacted(naive, line);
    if (fast != slow) {
      CAPTURE(line);
      CHECK(fast == slow);
    }
    changed += fast != line;
  }
  CHECK(changed > 5000);
}

TEST_CASE("redaction: chunks are scanned for the very lines that hold something") {
  for (const char* redact :
       {kEverything,
        "  key: {builtin: key}\n  email: {builtin: email}\n  prompt: {field: prompt}\n"}) {
    const auto set = rules_with(redact);
    Lines lines;
    std::mt19937_64 random(3);
    for (int round = 0; round < 30; ++round) {
      std::string chunk;
      std::vector<std::pair<std::size_t, bool>> want;
      for (int i = 0; i < 400; ++i) {
        std::string line = random() % 8 == 0 ? lines.next() : std::string(random() % 300, 'x');
        std::string copy = line + '\n' + std::string(kReadableBehindLine, '\0');
        want.emplace_back(chunk.size(),
                          set->redactions().suspects({copy.data(), line.size()}) != 0);
        chunk += line + '\n';
      }
      const std::size_t size = chunk.size();
      chunk.append(kReadableBehindLine, '\0');
      Redactor redactor(set->redactions());
      redactor.begin({chunk.data(), size});
      std::size_t wrong = 0;
      for (const auto& [offset, suspect] : want) {
        const bool found = redactor.is_suspect(chunk.data() + offset);
        wrong += suspect && !found;  // more is allowed, less is not
        wrong += !suspect && found && !set->redactions().scans_shapes();
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("redaction: all passes of the scan find the same") {
  std::vector<Needle> needles;
  for (const SecretShape& shape : secret_shapes()) {
    for (const SecretShape::Anchor& anchor : shape.anchors)
      needles.push_back({std::string(anchor.text), 0, nullptr, anchor.place});
  }
  NeedleScan fast(needles);
  NeedleScan middle(needles);
  middle.use(NeedleScan::Kernel::avx2);
  NeedleScan portable(needles);
  portable.use(NeedleScan::Kernel::portable);
  std::string text;
  Lines lines;
  while (text.size() < 200000) text += lines.next() + '\n';
  const std::size_t size = text.size();
  text.append(NeedleScan::kReadableBehind, '\0');
  const char* const end = text.data() + size;
  std::size_t found = 0;
  std::size_t wrong = 0;
  for (const char* at = text.data(); at < end; ++at) {
    const char* const place = fast.find(text.data(), at, end, end);
    wrong += place != portable.find(text.data(), at, end, end);
    wrong += place != middle.find(text.data(), at, end, end);
    at = place;
    ++found;
  }
  CHECK(found > 1000);
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace logtally::rules
