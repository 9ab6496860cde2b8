// What a process with a state has, put together as `run` does it, with a clock that the test turns:
// the store, the inputs, the worker with what was counted before. Made anew it is the next process.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch.hpp>

#include "pipeline/worker.h"
#include "tests/pipeline/scratch_files.h"

namespace logtally::pipeline::testing {

struct StatefulProcess {
  // `state`: with directory, and what is special; `options`: of the worker, likewise. One target,
  // `t`: the files of `paths`.
  StatefulProcess(StateOptions state, const std::string& paths,
                  std::shared_ptr<const rules::RuleSet> rules, WorkerOptions options, Time& time) {
    state.sync = Sync::normal;
    state.wall_ns = time.clock().wall_ns();
    auto opened = StateStore::open(std::move(state));
    if (!opened) FAIL(opened.error().text);
    store = std::move(opened->store);
    TailOptions tail;
    tail.clock = time.clock();
    tail.watching = Watching::poll;
    tail.first_generation = opened->image.next_generation;
    tail.earlier_targets = opened->image.targets;
    for (const SavedGeneration& saved : opened->image.generations)
      tail.stored.push_back(saved.file);
    inputs =
        *Inputs::open({{.name = "t", .paths = {paths}, .exclude = {}, .from = From::beginning}},
                      std::nullopt, std::move(tail));
    checkpoints =
        std::make_unique<Checkpointer>(*store, opened->image, std::vector<std::string>{"t"});
    options.wrappers = {Wrapper::automatic};
    options.clock = time.clock();
    options.checkpoints = checkpoints.get();
    worker = std::make_unique<Worker>(std::move(rules), *inputs, std::move(options));
    const auto restored = worker->restore(opened->image);
    if (!restored) FAIL(restored.error().text);
  }

  std::unique_ptr<StateStore> store;
  std::unique_ptr<Inputs> inputs;
  std::unique_ptr<Checkpointer> checkpoints;
  std::unique_ptr<Worker> worker;
};

}  // namespace logtally::pipeline::testing
