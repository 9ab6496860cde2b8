#include "rules/table.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <list>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

using namespace logtally::rules;

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;

using Text = std::optional<std::string_view>;

TableSpec spec(std::vector<std::string> columns, std::int64_t ttl_ns, std::size_t max,
               bool queue = false) {
  return {.name = "t", .columns = std::move(columns), .ttl_ns = ttl_ns, .max = max, .queue = queue};
}

void put(Table& table, std::string_view key, Text column, std::int64_t now_ns) {
  table.remember(key, std::array{column}, now_ns, now_ns);
}

// What the row of the key says; "-" for a column that is not there, "none" for no row.
std::string look(Table& table, std::string_view key, std::int64_t now_ns) {
  const std::optional<Row> row = table.find(key, now_ns);
  return row ? std::string(row->column(0).value_or("-")) : "none";
}

std::string take(Table& table, std::string_view key, std::int64_t now_ns) {
  const std::optional<Row> row = table.take(key, now_ns);
  return row ? std::string(row->column(0).value_or("-")) : "none";
}

// Keys of the rows that leave, in order, each with why.
struct Leavers {
  std::vector<std::string> seen;
  void operator()(const Row& row, Table::Gone gone) {
    constexpr const char* kWhy[] = {"replaced ", "expired ", "evicted "};
    seen.push_back(kWhy[static_cast<int>(gone)] + std::string(row.key));
  }
};

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("table: a new row replaces the one of its key") {
  Table table(spec({"agent", "model"}, kHour, 10));
  table.remember("s1", std::array<Text, 2>{"aria", "kimi"}, 5, 5);
  Leavers leavers;
  table.remember("s1", std::array<Text, 2>{std::nullopt, ""}, std::nullopt, 6, leavers);
  CHECK(leavers.seen == Strings{"replaced s1"});
  const std::optional<Row> row = table.find("s1", 6);
  REQUIRE(row);
  CHECK(row->key == "s1");
  CHECK(row->columns() == 2);
  CHECK_FALSE(row->column(0));
  CHECK(row->column(1) == Text(""));
  CHECK_FALSE(row->time_ns);
  CHECK(table.rows() == 1);
  CHECK(table.expired() == 0);
}

TEST_CASE("table: take removes the row, gives its time, and counts a miss (E1, E2)") {
  Table table(spec({"host"}, 72 * kHour, 10));
  table.remember("4711", std::array<Text, 1>{"hilbert"}, 100 * kSecond, 100 * kSecond);
  const std::optional<Row> start = table.take("4711", 160 * kSecond);
  REQUIRE(start);
  CHECK(160 * kSecond - start->time_ns.value() == 60 * kSecond);
  CHECK(start->column(0) == Text("hilbert"));
  CHECK_FALSE(table.take("4711", 161 * kSecond));
  CHECK_FALSE(table.take("never", 161 * kSecond));
  CHECK(table.missed() == 2);
  CHECK(table.rows() == 0);
  CHECK_FALSE(table.find("4711", 161 * kSecond));
  CHECK(table.missed() == 2);  // a look is no take
}

TEST_CASE("table: rows that are not used for the ttl expire, oldest first (D1, D5, E3)") {
  Table table(spec({"v"}, kMinute, 10));
  put(table, "a", "1", 0);
  put(table, "b", "2", 1 * kSecond);
  put(table, "c", "3", 2 * kSecond);
  CHECK(look(table, "a", 30 * kSecond) == "1");  // refreshed
  Leavers leavers;
  CHECK(table.next_due_ns() == 61 * kSecond);
  table.advance(61 * kSecond - 1, leavers);
  CHECK(leavers.seen.empty());
  table.advance(62 * kSecond, leavers);
  CHECK(leavers.seen == Strings{"expired b", "expired c"});
  CHECK(table.expired() == 2);
  CHECK(table.evicted() == 0);
  CHECK(look(table, "a", 62 * kSecond) == "1");
  table.advance(30 * 24 * kHour, leavers);
  CHECK(table.rows() == 0);
  CHECK(table.next_due_ns() == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("table: without a ttl rows stay") {
  Table table(spec({"v"}, 0, 10));
  put(table, "a", "1", 0);
  table.advance(std::numeric_limits<std::int64_t>::max());
  CHECK(table.rows() == 1);
}

TEST_CASE("table: a row that is over is not seen, whoever comes first") {
  Leavers leavers;
  SECTION("find") {
    Table table(spec({"v"}, kMinute, 10));
    put(table, "a", "1", 0);
    CHECK(look(table, "a", kMinute) == "none");
    CHECK(table.expired() == 0);
    table.advance(kMinute, leavers);
    CHECK(table.expired() == 1);
  }
  SECTION("take") {
    Table table(spec({"v"}, kMinute, 10));
    put(table, "a", "1", 0);
    CHECK_FALSE(table.take("a", kMinute, leavers));
    CHECK(table.missed() == 1);
    CHECK(table.expired() == 1);
  }
  SECTION("remember") {
    Table table(spec({"v"}, kMinute, 10));
    put(table, "a", "1", 0);
    table.remember("a", std::array<Text, 1>{"2"}, 0, kMinute, leavers);
    CHECK(table.expired() == 1);
    CHECK(look(table, "a", kMinute) == "2");
  }
  if (!leavers.seen.empty()) CHECK(leavers.seen == Strings{"expired a"});
}

TEST_CASE("table: event time that goes back counts as the latest seen") {
  Table table(spec({"v"}, kMinute, 10));
  put(table, "a", "1", kHour);
  put(table, "b", "2", 0);
  table.advance(kHour + kMinute - 1);
  CHECK(table.rows() == 2);
}

TEST_CASE("table: rows from before the first event time are used at it") {
  Table table(spec({"v"}, kMinute, 10));
  put(table, "a", "1", kNoEventTime);
  CHECK(look(table, "a", kNoEventTime) == "1");
  CHECK(table.next_due_ns() == kNoEventTime);
  table.advance(kHour);
  CHECK(look(table, "a", kHour) == "1");
  CHECK(table.next_due_ns() == kHour + kMinute);
}

TEST_CASE("table: of a full table the row used longest ago goes") {
  Table table(spec({"v"}, kHour, 2));
  put(table, "a", "1", 1);
  put(table, "b", "2", 1);
  CHECK(look(table, "a", 1) == "1");
  Leavers leavers;
  table.remember("c", std::array<Text, 1>{"3"}, 1, 1, leavers);
  CHECK(leavers.seen == Strings{"evicted b"});
  table.remember("c", std::array<Text, 1>{"4"}, 1, 1, leavers);  // replaces: nobody has to go
  CHECK(leavers.seen == Strings{"evicted b", "replaced c"});
  CHECK(look(table, "a", 1) == "1");
  CHECK(look(table, "c", 1) == "4");
  CHECK(table.expired() == 1);
  CHECK(table.evicted() == 1);
}

TEST_CASE("table: a queue gives first what came first") {
  Table table(spec({"v"}, kMinute, 4, true));
  put(table, "k", "1", 0);
  put(table, "k", "2", 1);
  put(table, "other", "x", 1);
  put(table, "k", "3", 2);
  CHECK(look(table, "k", 3) == "1");  // a use, no change of places
  CHECK(look(table, "k", 3) == "1");
  CHECK(take(table, "k", 4) == "1");
  CHECK(take(table, "k", 4) == "2");
  CHECK(take(table, "other", 4) == "x");
  CHECK(take(table, "k", 4) == "3");
  CHECK(take(table, "k", 4) == "none");

  SECTION("an expired one in the middle") {
    put(table, "k", "1", kSecond);
    put(table, "k", "2", kSecond);
    put(table, "k", "3", 2 * kSecond);
    CHECK(look(table, "k", 3 * kSecond) == "1");
    table.advance(kMinute + kSecond);
    CHECK(table.rows() == 2);
    CHECK(take(table, "k", kMinute + kSecond) == "1");
    CHECK(take(table, "k", kMinute + kSecond) == "3");
  }
  SECTION("an overdue first one, before anybody advanced") {
    put(table, "k", "1", kSecond);
    put(table, "k", "2", 30 * kSecond);
    CHECK(look(table, "k", kMinute + kSecond) == "2");
    CHECK(take(table, "k", kMinute + kSecond) == "2");
    CHECK(table.rows() == 0);
  }
  SECTION("a full one") {
    for (const char* v : {"1", "2", "3", "4", "5"}) put(table, "k", v, kSecond);
    CHECK(table.evicted() == 1);
    CHECK(take(table, "k", kSecond) == "2");
  }
}

TEST_CASE("table: long texts are cut, and two stay two") {
  Table table(spec({"v"}, kHour, 10));
  const std::string a(5'000, 'x');
  const std::string b = a + "y";
  put(table, a, a, 1);
  put(table, b, b, 1);
  CHECK(table.rows() == 2);
  CHECK(table.cut() == 2);
  const std::string of_a = look(table, a, 1);
  const std::string of_b = look(table, b, 1);
  CHECK(of_a.size() <= Table::kMaxTextBytes);
  CHECK(of_a != of_b);
  CHECK(of_a.substr(0, 400) == a.substr(0, 400));

  std::string euros;
  while (euros.size() < 1'000) euros += "\u20ac";
  for (const char* shift : {"", "1", "12"}) {
    put(table, "k", std::string_view(shift + euros), 1);
    const std::string cut = look(table, "k", 1);
    const std::size_t kept = cut.rfind('#');
    CHECK((kept - std::string_view(shift).size()) % 3 == 0);  // whole characters
  }
  const std::string exact(Table::kMaxTextBytes, 'z');
  put(table, exact, exact, 1);
  CHECK(look(table, exact, 1) == exact);
}

TEST_CASE("table: the parts of a key never run into each other") {
  const auto key = [](std::initializer_list<std::string_view> parts) {
    std::string made;
    for (const std::string_view part : parts) append_key_part(made, part);
    return made;
  };
  CHECK(key({"ab", "c"}) != key({"a", "bc"}));
  CHECK(key({"", "a"}) != key({"a", ""}));
  CHECK(key({"1:a", "b"}) != key({"1", "a:b"}));
  CHECK(key({"a"}) != key({"a", ""}));
}

TEST_CASE("table: texts of a row stay until advance, even when it goes") {
  Table table(spec({"v"}, kHour, 100));
  put(table, "a", "the first text", 1);
  const Row row = table.take("a", 1).value();
  const std::string filler(300, 'f');
  for (int i = 0; i < 1'000; ++i) put(table, std::to_string(i), filler, 1);
  CHECK(row.column(0) == Text("the first text"));
  // ... and what a row says may be remembered under another key as it is.
  const Row old = table.find("999", 1).value();
  table.remember("copy", std::array{old.column(0)}, 1, 1);
  CHECK(look(table, "copy", 1) == filler);
}

TEST_CASE("table: memory stays within its bound") {
  constexpr std::size_t kMax = 1'000;
  Table table(spec({"v"}, kHour, kMax));
  std::mt19937 random(1);
  const std::string text(Table::kMaxTextBytes, 't');
  std::size_t most = 0;
  for (std::int64_t i = 0; i < 100'000; ++i) {
    table.advance(i);
    const std::size_t size = i % 20'000 < 10'000 ? 400 + random() % 100 : random() % 20;
    put(table, std::to_string(random() % 5'000), std::string_view(text).substr(0, size), i);
    most = std::max(most, table.bytes());
  }
  CHECK(table.rows() == kMax);
  CHECK(most < kMax * 700 * 3);
  CHECK(table.bytes() < kMax * 700 * 3);
}

TEST_CASE("table: refuses to restore what no table can have saved") {
  const std::array<Text, 1> one{"v"};
  const auto saved = [&](std::string_view key, std::uint64_t id, std::uint64_t use,
                         std::int64_t last_use_ns) {
    return Table::SavedRow{
        .key = key, .columns = one, .time_ns = 1, .last_use_ns = last_use_ns, .id = id, .use = use};
  };
  Table table(spec({"v"}, kHour, 2));
  CHECK(table.restore(saved("a", 1, 5, 100)));
  CHECK_FALSE(table.restore(saved("a", 6, 6, 100)));  // the key is there
  CHECK_FALSE(table.restore(saved("b", 4, 5, 100)));  // the order of uses
  CHECK_FALSE(table.restore(saved("b", 9, 8, 100)));  // used before it was born
  CHECK_FALSE(table.restore(saved("b", 6, 6, 99)));   // event time went back
  CHECK_FALSE(table.restore(saved("b", 6, ~0ULL, 100)));
  CHECK_FALSE(table.restore(
      {.key = "b", .columns = {}, .time_ns = 1, .last_use_ns = 100, .id = 6, .use = 6}));
  CHECK(table.restore(saved("b", 6, 6, 100)));
  CHECK_FALSE(table.dirty());
  CHECK(table.restore(saved("c", 7, 7, 100)));  // `max` is smaller than it was
  CHECK(table.rows() == 2);
  std::vector<std::uint64_t> removed;
  table.visit_dirty([&](std::uint64_t id) { removed.push_back(id); }, [](const Row&) {});
  CHECK(removed == std::vector<std::uint64_t>{1});
}

namespace {

// The slow, obvious table.
struct Model {
  struct Item {
    std::string key;
    std::vector<std::optional<std::string>> columns;
    std::optional<std::int64_t> time_ns;
    std::int64_t used = 0;
  };
  using Items = std::list<Item>;

  TableSpec spec;
  Items items;                                     // the one used longest ago first
  std::map<std::string, std::list<Item*>> by_key;  // in order of birth
  std::uint64_t expired = 0, evicted = 0, missed = 0;
  std::int64_t now = 0;

  explicit Model(TableSpec s) : spec(std::move(s)) {}
  Model(const Model& other) : spec(other.spec) { *this = other; }
  Model& operator=(const Model& other) {
    items = other.items;
    expired = other.expired, evicted = other.evicted, missed = other.missed, now = other.now;
    std::map<const Item*, Item*> moved;
    auto from = other.items.begin();
    for (Item& item : items) moved[&*from++] = &item;
    by_key.clear();
    for (const auto& [key, list] : other.by_key) {
      for (Item* item : list) by_key[key].push_back(moved[item]);
    }
    return *this;
  }

  bool over(const Item& item) const { return item.used + spec.ttl_ns <= now; }
  void erase(Item* item) {
    auto& list = by_key[item->key];
    list.remove(item);
    if (list.empty()) by_key.erase(item->key);
    items.remove_if([&](const Item& i) { return &i == item; });
  }
  Strings advance(std::int64_t at) {
    now = std::max(now, at);
    Strings gone;
    while (!items.empty() && over(items.front())) {
      gone.push_back("expired " + items.front().key);
      erase(&items.front());
      ++expired;
    }
    return gone;
  }
  Strings remember(Item item, std::int64_t at) {
    Strings gone = advance(at);
    item.used = now;
    if (!spec.queue && by_key.contains(item.key)) {
      gone.push_back("replaced " + item.key);
      erase(by_key[item.key].front());
    } else if (items.size() == spec.max) {
      gone.push_back("evicted " + items.front().key);
      erase(&items.front());
      ++evicted, ++expired;
    }
    items.push_back(std::move(item));
    by_key[items.back().key].push_back(&items.back());
    return gone;
  }
  const Item* find(const std::string& key, std::int64_t at) {
    now = std::max(now, at);
    const auto found = by_key.find(key);
    if (found == by_key.end()) return nullptr;
    for (Item* item : found->second) {
      if (over(*item)) continue;
      item->used = now;
      const auto place =
          std::find_if(items.begin(), items.end(), [&](const Item& i) { return &i == item; });
      items.splice(items.end(), items, place);
      return item;
    }
    return nullptr;
  }
  std::optional<Item> take(const std::string& key, std::int64_t at) {
    advance(at);
    const auto found = by_key.find(key);
    if (found == by_key.end()) {
      ++missed;
      return std::nullopt;
    }
    Item taken = *found->second.front();
    erase(found->second.front());
    return taken;
  }
};

bool same(const Row& row, const Model::Item& item) {
  if (row.key != item.key || row.time_ns != item.time_ns || row.last_use_ns != item.used)
    return false;
  for (std::size_t i = 0; i < item.columns.size(); ++i) {
    if (row.column(i) != item.columns[i]) return false;
  }
  return row.columns() == item.columns.size();
}

struct Stored {
  std::string key;
  std::vector<std::optional<std::string>> columns;
  std::optional<std::int64_t> time_ns;
  std::int64_t last_use_ns;
  std::uint64_t use;
};

}  // namespace

TEST_CASE("table: any order of calls, commits and crashes equals a list that is searched") {
  const bool queue = GENERATE(false, true);
  const std::size_t keys = GENERATE(std::size_t{12}, std::size_t{90});
  CAPTURE(queue, keys);
  const TableSpec specified = spec({"a", "b", "c"}, 40, 14, queue);
  std::mt19937_64 random(keys + queue);
  const auto pick = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };

  Table table(specified);
  Model model(specified), committed(specified);
  std::map<std::uint64_t, Stored> stored;  // what the transactions wrote, by id
  std::int64_t now = 0;
  const std::string filler(600, 'q');

  for (int i = 0; i < 100'000; ++i) {
    now += pick(4) == 0 ? static_cast<std::int64_t>(pick(5)) : 0;
    const std::int64_t at = pick(50) == 0 ? now - 3 : now;  // now and then out of order
    const std::string key = "key " + std::to_string(pick(keys));
    switch (pick(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4: {
        Model::Item item{.key = key, .columns = {}, .time_ns = {}};
        std::vector<Text> columns;
        for (int c = 0; c < 3; ++c) {
          if (pick(4) == 0)
            item.columns.emplace_back();
          else
            item.columns.emplace_back(std::to_string(i) +
                                      filler.substr(0, pick(10) == 0 ? pick(500) : pick(12)));
        }
        for (const auto& column : item.columns) columns.push_back(column ? Text(*column) : Text());
        if (pick(3) != 0) item.time_ns = at - 1;
        Leavers leavers;
        const Row made = table.remember(key, columns, item.time_ns, at, leavers);
        REQUIRE(leavers.seen == model.remember(item, at));
        REQUIRE(same(made, model.items.back()));
        break;
      }
      case 5:
      case 6:
      case 7:
      case 8: {
        const std::optional<Row> row = table.find(key, at);
        const Model::Item* const item = model.find(key, at);
        REQUIRE(row.has_value() == (item != nullptr));
        if (item != nullptr) REQUIRE(same(*row, *item));
        break;
      }
      case 9:
      case 10:
      case 11: {
        const std::optional<Row> row = table.take(key, at);
        const std::optional<Model::Item> item = model.take(key, at);
        REQUIRE(row.has_value() == item.has_value());
        if (item) REQUIRE(same(*row, *item));
        break;
      }
      case 12:
      case 13: {
        Leavers leavers;
        table.advance(at, leavers);
        REQUIRE(leavers.seen == model.advance(at));
        break;
      }
      case 14: {
        if (pick(20) != 0) break;
        table.visit_dirty(
            [&](std::uint64_t id) { REQUIRE(stored.erase(id) == 1); },
            [&](const Row& row) {
              Stored s{std::string(row.key), {}, row.time_ns, row.last_use_ns, row.use};
              for (std::size_t c = 0; c < row.columns(); ++c) s.columns.emplace_back(row.column(c));
              stored.insert_or_assign(row.id, std::move(s));
            });
        table.clear_dirty();
        REQUIRE_FALSE(table.dirty());
        committed = model;
        REQUIRE(stored.size() == table.rows());
        break;
      }
      case 15: {
        if (pick(80) != 0) break;
        std::vector<std::pair<std::uint64_t, const Stored*>> rows;
        for (const auto& [id, s] : stored) rows.emplace_back(id, &s);
        std::sort(rows.begin(), rows.end(),
                  [](const auto& a, const auto& b) { return a.second->use < b.second->use; });
        table = Table(specified);
        model = committed;
        model.expired = model.evicted = model.missed = 0;  // of the process
        for (const auto& [id, s] : rows) {
          std::vector<Text> columns;
          for (const auto& column : s->columns) columns.push_back(column ? Text(*column) : Text());
          REQUIRE(table.restore({s->key, columns, s->time_ns, s->last_use_ns, id, s->use}));
        }
        REQUIRE_FALSE(table.dirty());
        // The clock is restored with the rows: no later than the newest use is known to the table
        // alone.
        REQUIRE_FALSE(table.find("no such key", model.now));
        break;
      }
    }
    REQUIRE(table.rows() == model.items.size());
    REQUIRE(table.next_due_ns() == (model.items.empty() ? std::numeric_limits<std::int64_t>::max()
                                                        : model.items.front().used + 40));
    if (i % 97 == 0) {
      auto item = model.items.begin();
      table.visit([&](const Row& row) { REQUIRE(same(row, *item++)); });
      REQUIRE(table.expired() == model.expired);
      REQUIRE(table.evicted() == model.evicted);
      REQUIRE(table.missed() == model.missed);
    }
  }
  CHECK(table.rows() > 0);
}
