// Looks at what a file holds, and takes or compares the marks of generation.h.
#pragma once

#include <cstdint>
#include <optional>

#include "pipeline/generation.h"
#include "pipeline/inflated.h"
#include "pipeline/rotation.h"

namespace logtally::pipeline {

// Holds the file against the marks. Nothing: it could not be read (errno).
std::optional<ContentFacts> facts_of(const Bytes& bytes, const Marks& marks,
                                     ContentFacts::Occasion occasion);

// Does the file hold what the marks tell, and all of it? The copy of a truncated file, the
// compressed form of a rotated one. False as well if nothing is known of the content.
bool holds(const Bytes& bytes, const Marks& marks);

// Does it begin so? Nothing: it is too short to tell.
std::optional<bool> begins_like(const Bytes& bytes, const Head& head);

// The head as it is now; nothing: it could not be read, or no longer begins as `known`.
std::optional<Head> head_now(const Bytes& bytes, const Head& known);

}  // namespace logtally::pipeline
