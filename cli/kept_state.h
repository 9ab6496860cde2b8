// KeptState: the state that `run` goes on from and keeps: directory, database, what stood in it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/options.h"
#include "config/result.h"
#include "pipeline/checkpointer.h"
#include "pipeline/state_store.h"
#include "pipeline/stdin_source.h"
#include "pipeline/tail.h"
#include "pipeline/worker.h"

namespace logtally::cli {

class KeptState {
 public:
  // Takes the directory that the options name. Nothing: none is wanted, or there is no place for it
  // (`note` then says so). The error is for the operator.
  static Result<std::optional<KeptState>> open(const config::RunOptions& options,
                                               const config::Environment& environment,
                                               const std::vector<pipeline::TargetSpec>& targets,
                                               std::string& note);

  // What the files are to be followed by; before Inputs::open().
  void prepare(std::vector<pipeline::TargetSpec>& targets, pipeline::TailOptions& tail);

  // Has a pipe of standard input go through files in the directory; likewise.
  void spool(const config::RunOptions& options, pipeline::StdinSpec& input) const;

  pipeline::Checkpointer& checkpoints() { return *checkpoints_; }
  // Takes what was found into the worker; messages are for the log.
  Result<std::vector<std::string>> restore(pipeline::Worker& worker);
  // Values are older than what was published before, until what the files hold by now is counted.
  bool behind() const { return opened_.found == pipeline::StateStore::Found::snapshot; }
  const std::vector<std::string>& messages() const { return opened_.messages; }
  const std::string& directory() const { return opened_.store->directory(); }
  bool fresh() const { return opened_.image.groups == 0; }

  // An orderly end.
  Result<void> close() { return opened_.store->close(); }

 private:
  pipeline::StateStore::Opened opened_;
  std::unique_ptr<pipeline::Checkpointer> checkpoints_;
};

}  // namespace logtally::cli
