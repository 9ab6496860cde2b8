#include "pipeline/rotation.h"

namespace logtally::pipeline {

Action decide(const Observed& observed, const Known& known) {
  if (!known.any) {
    if (observed.kind == Observed::Kind::missing) return Action::nothing;
    if (observed.kind == Observed::Kind::unusable) return Action::skip;
    return observed.known_elsewhere ? Action::adopt : Action::start;
  }
  if (observed.kind != Observed::Kind::file) return Action::retire;
  if (observed.id != known.id) return observed.known_elsewhere ? Action::exchange : Action::replace;
  if (observed.size < known.read_upto) return Action::restart;
  return observed.size > known.read_upto ? Action::read : Action::nothing;
}

}  // namespace logtally::pipeline
