// The prepared statements of a connection; for state_store and state_group alone.
#pragma once

#include "pipeline/sqlite.h"
#include "pipeline/state_store.h"

namespace logtally::pipeline {

struct StateStore::Statements {
  sqlite::Statement begin;
  sqlite::Statement commit;
  sqlite::Statement put_meta;
  sqlite::Statement put_progress;
  sqlite::Statement start_generation;
  sqlite::Statement advance_generation;
  sqlite::Statement forget_generation;
  sqlite::Statement put_family;
  sqlite::Statement put_series;
  sqlite::Statement put_capped;
  sqlite::Statement put_memory;
  sqlite::Statement put_memory_row;
  sqlite::Statement forget_memory_row;
  sqlite::Statement put_timer;
  sqlite::Statement forget_timer;
  sqlite::Statement put_invocation;
  sqlite::Statement quarantine;
  sqlite::Statement thin_quarantine;
};

}  // namespace logtally::pipeline
