#include "tests/cases/harness.h"

using namespace logtally;
using namespace logtally::cases;

namespace {

// What most files need: a metric of each type, maps, and then the rule at 9:3.
const std::string kHead =
    "metrics:\n"
    "  c: {type: counter, help: h, labels: [method, status]}\n"
    "  g: {type: gauge, help: h}\n"
    "  d_seconds: {type: histogram, help: h, buckets: [1]}\n"
    "maps:\n"
    "  outcome: {true: success}\n"
    "\n"
    "rules:\n";

// The only fault, with everything it says.
std::string rendered(const Texts& files) {
  config::Diagnostics found;
  CHECK(compile(files, found) == nullptr);
  return found.render();
}

}  // namespace

TEST_CASE("compiler: one fault, one code, at its place") {
  struct Case {
    const char* rule;  // behind kHead: line 9
    const char* want;
  };
  const Case cases[] = {
      // kinds and keys
      {"  r: [inc: c]\n", "9:6 E010\n"},
      {"  r: {do: {inc: c}}\n", "9:11 E010\n"},
      {"  r: {do: []}\n", "9:11 E010\n"},
      {"  r: {do: [inc]}\n", "9:12 E010\n"},
      {"  r: {do: [inc: [c]]}\n", "9:17 E010\n"},
      {"  r: {match: [a], do: [inc: c]}\n", "9:14 E010\n"},
      {"  r: {pattern: {a: b}, do: [inc: c]}\n", "9:16 E010\n"},
      {"  r: {if: [a], do: [inc: c]}\n", "9:11 E010\n"},
      {"  r: {match: {a: 1}}\n", "9:3 E011\n"},
      {"  r: {do: [if: $a]}\n", "9:12 E011\n"},
      {"  r: {mtach: {a: 1}, do: [inc: c]}\n", "9:7 E012\n"},
      {"  r: {do: [{incr: c}]}\n", "9:13 E012\n"},
      {"  r: {do: [{inc: c, lables: {}}]}\n", "9:21 E012\n"},
      {"  r: {match: {a: {prefx: x}}, do: [inc: c]}\n", "9:19 E012\n"},
      // values
      {"  r: {enabled: maybe, do: [inc: c]}\n", "9:16 E013\n"},
      {"  r: {enabled: 'true', do: [inc: c]}\n", "9:16 E013\n"},
      {"  r: {match: {a: []}, do: [inc: c]}\n", "9:18 E013\n"},
      {"  r: {match: {a: {}}, do: [inc: c]}\n", "9:18 E013\n"},
      {"  r: {match: {a: {exists: 1}}, do: [inc: c]}\n", "9:27 E013\n"},
      {"  r: {match: {a..b: 1}, do: [inc: c]}\n", "9:15 E013\n"},
      {"  r: {do: [{inc: c, dec: g}]}\n", "9:21 E013\n"},
      {"  r: {do: [{set: g, value: abc}]}\n", "9:28 E013\n"},
      {"  r: {pattern: a, regex: b, do: [inc: c]}\n", "9:26 E013\n"},
      {"  r: {regex: a, pattern: b, do: [inc: c]}\n", "9:26 E013\n"},
      {"  r: {pattern: [], do: [inc: c]}\n", "9:16 E013\n"},
      // to come
      {"  r: {do: [{drop: true}]}\n", "9:13 E014\n"},
      {"  r: {do: [{delete: x}]}\n", "9:21 E030\n"},
      {"  r: {do: [{remember: session}]}\n", "9:23 E030\n"},
      {"  r: {do: [{take: session}]}\n", "9:19 E030\n"},
      {"  r: {do: [{store: session}]}\n", "9:20 E013\n"},
      {"  r: {do: [{sample: 0.1}]}\n", "9:13 E014\n"},
      {"  r: {do: [{set: g, value: 1, for: soon}]}\n", "9:36 E013\n"},
      {"  r: {do: [{set: g, value: 1, then: 0}]}\n", "9:13 E011\n"},
      {"  r: {do: [{inc: g, for: 30s}]}\n", "9:26 E035\n"},
      // expressions: the place is inside of the text
      {"  r: {if: $a and, do: [inc: c]}\n", "9:17 E020\n"},
      {"  r: {if: '$a = 1', do: [inc: c]}\n", "9:15 E020\n"},
      {"  r: {let: {x: '$a =~ $b'}, do: [inc: c]}\n", "9:23 E020\n"},
      {"  r: {if: '$a == \"x', do: [inc: c]}\n", "9:18 E021\n"},
      {"  r: {if: $a == error, do: [inc: c]}\n", "9:17 E023\n"},
      {"  r: {if: status >= 500, do: [inc: c]}\n", "9:11 E023\n"},
      {"  r: {if: 'outcome()', do: [inc: c]}\n", "9:11 E023\n"},
      {"  r: {do: [{inc: c, if: len(x)}]}\n", "9:25 E023\n"},
      {"  r: {do: [{inc: c, labels: {status: 'round($a, 1, 2)'}}]}\n", "9:39 E024\n"},
      {"  r: {do: [{inc: c, labels: {status: outcom($a)}}]}\n", "9:38 E025\n"},
      {"  r: {do: [{set: g, value: $a + lenn($b)}]}\n", "9:33 E025\n"},
      // names
      {"  r: {do: [inc: cc]}\n", "9:17 E030\n"},
      {"  r: {let: {1x: a}, do: [inc: c]}\n", "9:13 E032\n"},
      {"  r: {do: [{inc: c, labels: {stauts: x}}]}\n", "9:30 E034\n"},
      {"  r: {do: [{inc: g, labels: {a: x}}]}\n", "9:30 E034\n"},
      // what does not go together
      {"  r: {do: [dec: c]}\n", "9:12 E035\n"},
      {"  r: {do: [observe: c]}\n", "9:12 E035\n"},
      {"  r: {do: [inc: d_seconds]}\n", "9:12 E035\n"},
      {"  r: {do: [{inc: c, value: 2}]}\n", "9:28 E035\n"},
      {"  r: {do: [{inc: c, unit: ms}]}\n", "9:27 E035\n"},
      {"  r: {do: [add: c]}\n", "9:12 E036\n"},
      {"  r: {do: [observe: d_seconds]}\n", "9:12 E036\n"},
      {"  gone: false\n", "9:3 E037\n"},
      // patterns and regular expressions: the place is inside of the text
      {"  r: {pattern: 'a <b><c> d', do: [inc: c]}\n", "9:19 E040\n"},
      {"  r: {pattern: ['a', 'x <b'], do: [inc: c]}\n", "9:25 E040\n"},
      {"  r: {regex: 'x(y', do: [inc: c]}\n", "9:16 E041\n"},
      {"  r: {match: {a: {re: 'x[z'}}, do: [inc: c]}\n", "9:25 E041\n"},
      {"  r: {if: '$a =~ \"(?=x)\"', do: [inc: c]}\n", "9:19 E041\n"},
      {"  r: {regex: '(?P<a>x)(?P<b>y)(?P<a>z)', do: [inc: c]}\n", "9:35 E041\n"},
      {"  r: {regex: 'x[(](?P<1>y)', do: [inc: c]}\n", "9:23 E041\n"},
      {"  r: {if: '$a =~ \"(?P<a>x)(?P<a>y)\"', do: [inc: c]}\n", "9:31 E041\n"},
      // units
      {"  r: {do: [{observe: d_seconds, value: $a, unit: mss}]}\n", "9:50 E050\n"},
      {"  r: {do: [{observe: d_seconds, value: $a, unit: KiB}]}\n", "9:50 E051\n"},
      {"  r: {do: [{set: g, value: $a, unit: ms}]}\n", "9:38 E051\n"},
      {"  r: {do: [{set: g, value: $a, unit: auto}]}\n", "9:38 E051\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.rule);
    CHECK(faults_of(kHead + c.rule) == c.want);
  }
}

TEST_CASE("compiler: faults of declarations") {
  struct Case {
    const char* file;
    const char* want;
  };
  const Case cases[] = {
      {"", ""},
      {"[]\n", "1:1 E010\n"},
      {"version: 2\n", "1:10 E013\n"},
      {"version: 1\n", ""},
      {"formats: {f: {}}\n", "1:11 E011\n"},
      {"formats: {f: {pattern: '<a><b>'}}\n", "1:25 E040\n"},
      {"formats: {f: {pattern: '<time> x', time: {layout: '%Q'}}}\n", "1:52 E042\n"},
      {"tables: {t: {}}\n", "1:10 E011\n"},
      {"tables: {t: {key: $k, ttl: soon}}\n", "1:28 E013\n"},
      {"tables: {t: {key: $k, open: nowhere}}\n", "1:29 E030\n"},
      {"redact: {}\n", ""},
      {"redact: {a: {with: x}}\n", "1:10 E011\n"},
      {"redact: {a: {builtin: emial}}\n", "1:23 E013\n"},
      {"redact: {a: {regex: '('}}\n", "1:22 E041\n"},
      {"redact: {a: {regex: 'x*'}}\n", "1:21 E041\n"},
      {"redact: {a: {regex: x, with: '\\1'}}\n", "1:30 E041\n"},
      {"redact: {a: {field: ''}}\n", "1:21 E013\n"},
      {"redact: {a: {field: x}, a: {field: y}}\n", "1:25 E004\n"},
      {"redact: {a: {field: who}}\nformats: {f: {pattern: '<who> <message>'}}\n", "1:21 E013\n"},
      {"redact: {a: {field: x.who}}\nformats: {f: {pattern: '<who> <message>'}}\n", ""},
      {"redact: {a: {field: who}}\nrules: {r: {pattern: 'by <who>', do: []}}\n",
       "1:21 E013\n2:38 E010\n"},
      {"redact: {a: {field: who}}\nrules: {r: {regex: 'by (?P<who>.*)', do: []}}\n",
       "1:21 E013\n2:42 E010\n"},
      {"metric: {}\n", "1:1 E012\n"},
      {"metrics: [c]\n", "1:10 E010\n"},
      {"metrics:\n  c: counter\n", "2:6 E010\n"},
      {"metrics:\n  c: {help: h}\n", "2:3 E011\n"},
      {"metrics:\n  c: {type: counter}\n", "2:3 E011\n"},
      {"metrics:\n  c: {type: countr, help: h}\n", "2:13 E013\n"},
      {"metrics:\n  c: {type: summary, help: h}\n", "2:13 E013\n"},
      {"metrics:\n  c: {type: counter, help: [h]}\n", "2:28 E010\n"},
      {"metrics:\n  c: {type: counter, help: h, exemplar: {}}\n", "2:41 E011\n"},
      {"metrics:\n  c: {type: counter, help: h, aliases: [9d]}\n", "2:40 E032\n"},
      {"metrics:\n  c: {type: counter, help: h, labels: {a: {max: 0}}}\n", "2:49 E013\n"},
      {"metrics:\n  1c: {type: counter, help: h}\n", "2:3 E032\n"},
      {"metrics:\n  c-d: {type: counter, help: h}\n", "2:3 E032\n"},
      {"metrics:\n  a:b: {type: counter, help: h}\n", ""},
      {"metrics:\n  c: {type: counter, help: h, labels: a}\n", "2:39 E010\n"},
      {"metrics:\n  c: {type: counter, help: h, labels: [a-b]}\n", "2:40 E033\n"},
      {"metrics:\n  c: {type: counter, help: h, labels: [le]}\n", "2:40 E033\n"},
      {"metrics:\n  c: {type: counter, help: h, labels: [__x]}\n", "2:40 E033\n"},
      {"metrics:\n  c: {type: counter, help: h, labels: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q]}\n",
       "2:72 E033\n"},
      {"metrics:\n  c: {type: counter, help: h, labels: {a: {values: []}}}\n", "2:52 E010\n"},
      {"metrics:\n  c: {type: counter, help: h, min: 0}\n", "2:36 E035\n"},
      {"metrics:\n  c: {type: counter, help: h, buckets: [1]}\n", "2:40 E035\n"},
      {"metrics:\n  g: {type: gauge, help: h, min: low}\n", "2:34 E013\n"},
      {"metrics:\n  g: {type: gauge, help: h, unit: ms}\n", "2:35 E050\n"},
      {"metrics:\n  g_bytes: {type: gauge, help: h, unit: seconds}\n", "2:41 E051\n"},
      {"metrics:\n  h: {type: histogram, help: h, buckets: 5}\n", "2:42 E060\n"},
      {"metrics:\n  h: {type: histogram, help: h, buckets: []}\n", "2:42 E060\n"},
      {"metrics:\n  h:\n    buckets: exp(1,1,5)\n    type: histogram\n    help: h\n",
       "3:20 E061\n"},
      {"metrics:\n  h: {type: histogram, help: h, buckets: [1, x]}\n", "2:46 E013\n"},
      {"metrics:\n  h: {type: histogram, help: h, buckets: [1, 1]}\n", "2:46 E061\n"},
      {"metrics:\n  h: {type: histogram, help: h, buckets: [2, 1]}\n", "2:46 E061\n"},
      {"metrics:\n  h: {type: histogram, help: h, buckets: [1, +Inf]}\n", ""},
      {"metrics:\n  h: {type: histogram, help: h, buckets: [+Inf, 1]}\n", "2:43 E013\n"},
      {"metrics:\n  h: {type: histogram, help: h}\n", "2:3 W203\n"},
      {"maps: {1m: {a: b}}\n", "1:8 E032\n"},
      {"maps: {m: x}\n", "1:11 E010\n"},
      {"maps: {m: {a: [b]}}\n", "1:15 E010\n"},
      {"maps: {m: {rewrite: [[a]]}}\n", "1:22 E010\n"},
      {"maps: {m: {rewrite: [['(', a]]}}\n", "1:24 E041\n"},
      {"maps: {m: {rewrite: [['a', '\\2']]}}\n", "1:28 E041\n"},
      {"lift: {a: b}\n", "1:7 E010\n"},
      {"normalise: [a]\n", "1:12 E010\n"},
      {"normalise: {level: a..b}\n", "1:20 E013\n"},
      {"rules: {r: x}\n", "1:12 E010\n"},
      {"rules: {nobody: true}\n", "1:9 E037\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.file);
    CHECK(faults_of(std::string(c.file)) == c.want);
  }
}

TEST_CASE("compiler: all faults of all files are told") {
  CHECK(faults_of(Texts{"metrics:\n"
                        "  c: {type: countr, help: h}\n"
                        "  c-d: {type: counter, help: h}\n"
                        "  h: {type: histogram, help: h, buckets: [2, 1]}\n"
                        "rules:\n"
                        "  a: {mtach: {}, do: [inc: c]}\n"
                        "  b: {if: $x ==, do: [inc: nobody, {inc: c, labels: {x: 1}}]}\n",
                        "rules:\n"
                        "  d: {regex: '(', do: [dec: c]}\n"
                        "  a: {do: [inc: c]}\n"}) ==
        "rules.yaml:2:13 E013\n"
        "rules.yaml:3:3 E032\n"
        "rules.yaml:4:46 E061\n"
        "rules.yaml:6:7 E012\n"
        "rules.yaml:7:16 E020\n"
        "rules.yaml:7:28 E030\n"
        "rules.yaml:7:54 E034\n"
        "rules2.yaml:2:15 E041\n"
        "rules2.yaml:3:3 E031\n");
}

TEST_CASE("compiler: near names are suggested") {
  struct Case {
    const char* rule;
    const char* want;
  };
  const Case cases[] = {
      {"  r: {mtach: {a: 1}, do: [inc: c]}\n", "did you mean `match`?"},
      {"  r: {do: [{inc: c, labels: {stauts: x}}]}\n", "did you mean `status`?"},
      {"  r: {do: [inc: d_second]}\n", "did you mean `d_seconds`?"},
      {"  r: {do: [{set: g, value: outcme($a)}]}\n", "did you mean `outcome`?"},
      {"  r: {do: [{set: g, value: raund($a)}]}\n", "did you mean `round`?"},
      {"  request: {do: [inc: c]}\n  requests: false\n", "did you mean `request`?"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.rule);
    CHECK(rendered({kHead + c.rule}).find(c.want) != std::string::npos);
  }
}

TEST_CASE("compiler: rules with too many different fields are refused") {
  Texts files = {"metrics: {c: {type: counter, help: h}}\n"};
  for (int file = 0; file < 20; ++file) {
    std::string text = "rules:\n";
    for (int rule = 0; rule < 200; ++rule) {
      const std::string id = std::to_string(file * 200 + rule);
      text += "  r" + id + ": {match: {";
      for (int field = 0; field < 20; ++field)
        text += "f" + id + "_" + std::to_string(field) + ": 1, ";
      text += "z: 1}, do: [inc: c]}\n";
    }
    files.push_back(text);
  }
  const std::string faults = faults_of(files);
  CHECK(faults.find(" E022\n") != std::string::npos);
  CHECK(std::count(faults.begin(), faults.end(), '\n') == 1);
}

TEST_CASE("compiler: a misspelt key is one fault, not a missing one too") {
  const auto faults = [](const std::string& text) { return faults_of(text); };
  const std::string metric = "metrics: {g: {type: gauge, help: h}}\n";
  CHECK(faults("metrics:\n  h: {tpye: histogram, help: h, buckets: [1]}\nrules:\n  r: {do: "
               "[{observe: h, value: $a}]}\n") == "2:7 E012\n");
  CHECK(faults("metrics:\n  h: {type: histogrm, help: h, buckets: [1]}\nrules:\n  r: {do: "
               "[{observe: h, value: $a}]}\n") == "2:13 E013\n");
  CHECK(faults("metrics:\n  h: {type: counter, hlep: h}\n") == "2:22 E012\n");
  CHECK(faults("metrics:\n  h: {type: histogram, help: h, bukets: [1]}\n") == "2:33 E012\n");
  CHECK(faults("formats:\n  f: {patern: a}\n") == "2:7 E012\n");
  CHECK(faults("formats:\n  f: {pattern: '<message>', time: {layuot: x}}\n") == "2:36 E012\n");
  CHECK(faults("tables:\n  t: {kye: $a, ttl: 1m}\n") == "2:7 E012\n");
  CHECK(faults("redact:\n  r: {builtn: email}\n") == "2:7 E012\n");
  CHECK(faults(metric + "rules:\n  r: {things: [inc: g]}\n") == "3:3 E011\n3:7 E012\n");
  CHECK(faults(metric + "rules:\n  r: {actions: [inc: g]}\n") == "3:7 E012\n");  // it is `do`
  CHECK(faults(metric + "rules:\n  r: {do: [{set: g, vlaue: 1, unit: ms}]}\n") == "3:21 E012\n");
  CHECK(faults(metric + "rules:\n  r: {do: [{set: g, value: 1, fro: 3s, then: 0}]}\n") ==
        "3:31 E012\n");
}

TEST_CASE("compiler: a unit that is none is answered with the one that was meant") {
  const auto said = [](const std::string& unit) {
    config::Diagnostics found;
    std::vector<rules::RuleSet::Source> sources;
    sources.push_back({.document = config::parse_yaml(
                           std::make_shared<const config::SourceFile>(config::SourceFile{
                               "rules.yaml",
                               "metrics: {d_seconds: {type: gauge, help: h}}\nrules: {r: {do: "
                               "[{set: d_seconds, value: $a, unit: " +
                                   unit + "}]}}\n"}),
                           found),
                       .configuration = false});
    rules::RuleSet::compile(sources, found);
    return found.all().size() == 1 ? found.all().front().label : found.render();
  };
  CHECK(said("milis") == "did you mean `ms`?");
  CHECK(said("Milliseconds") == "did you mean `ms`?");
  CHECK(said("mss") == "did you mean `ms`?");
  CHECK(said("sec") == "did you mean `s`?");
  CHECK(said("mb") == "did you mean `MB`?");
  CHECK(said("fortnights").empty());
}
