// Random sequences of writing, rotation and reading against a model that knows every line
// (play.h). A failing one is shrunk, and printed with its seed:
//   LOGTALLY_MODEL_SEED=… LOGTALLY_MODEL_FIRST=… LOGTALLY_MODEL_SEQUENCES=1 logtally_tests
//   "model:*"
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "tests/pipeline/model/play.h"
#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSequences = 5'000;
#else
constexpr std::uint64_t kSequences = 100'000;
#endif
constexpr std::uint64_t kShown = 3;  // failures

std::uint64_t number_of(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

}  // namespace

TEST_CASE("model: every line once through random rotation, kills and restarts") {
  const std::uint64_t seed = number_of("LOGTALLY_MODEL_SEED", 1);
  const std::uint64_t first = number_of("LOGTALLY_MODEL_FIRST", 0);
  const std::uint64_t end = first + number_of("LOGTALLY_MODEL_SEQUENCES", kSequences);
  std::atomic<std::uint64_t> next = first;
  std::atomic<std::uint64_t> played = 0;
  std::mutex mutex;
  std::vector<std::string> failures;
  const auto work = [&](const std::string& directory) {
    for (std::uint64_t index = next++; index < end; index = next++) {
      const testing::Sequence sequence =
          testing::random_sequence(seed * 0x9E3779B97F4A7C15U + index);
      ++played;
      if (testing::play(sequence, directory).empty()) continue;
      const testing::Sequence least = testing::shrink(sequence, directory);
      const std::lock_guard lock(mutex);
      failures.push_back("sequence " + std::to_string(index) + ": " +
                         testing::play(least, directory) + "\n    " + testing::to_text(least));
      if (failures.size() >= kShown) next = end;
    }
  };
  const testing::ScratchDir one(testing::ScratchDir::memory());
  const testing::ScratchDir two(testing::ScratchDir::memory());
  REQUIRE(::mkdir((one / "logs").c_str(), 0700) == 0);
  REQUIRE(::mkdir((two / "logs").c_str(), 0700) == 0);
  std::thread other([&] { work(two / "logs"); });
  work(one / "logs");
  other.join();
  std::printf("model: %llu sequences, seed %llu\n", static_cast<unsigned long long>(played),
              static_cast<unsigned long long>(seed));
  for (const std::string& failure : failures) std::printf("  %s\n", failure.c_str());
  CHECK(failures.empty());
  CHECK(played >= end - first);
}

}  // namespace logtally::pipeline
