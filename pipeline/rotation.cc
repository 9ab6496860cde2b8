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

Content judge(const ContentFacts& facts) {
  if (!facts.anything_known) return Content::same;
  if (facts.empty || facts.head == ContentFacts::Head::differs) return Content::another;
  switch (facts.tail) {
    case ContentFacts::Tail::equal:
      return Content::same;
    case ContentFacts::Tail::differs:
      return Content::another;
    case ContentFacts::Tail::beyond_end:
      return facts.occasion == ContentFacts::Occasion::restart &&
                     facts.ladder == ContentFacts::Ladder::equal
                 ? Content::tail_lost
                 : Content::another;
  }
  return Content::another;
}

Likeness likeness(const FileId& remembered, const FileId& seen) {
  if (remembered.inode != seen.inode) return Likeness::none;
  const bool births_known = remembered.born_ns != 0 && seen.born_ns != 0;
  if (births_known && remembered.born_ns != seen.born_ns) return Likeness::none;
  if (remembered.device == seen.device) return Likeness::same_file;
  return births_known ? Likeness::renumbered : Likeness::none;
}

}  // namespace logtally::pipeline
