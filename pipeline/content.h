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
// compressed form of a rotated one. False as well if too little is known of the content: of what
// nobody has read, a mark's length of its head.
bool holds(const Bytes& bytes, const Marks& marks);

// Do both hold the same, by the begin and the end of the first `size` bytes? Nothing: one is
// shorter.
std::optional<bool> same_bytes(const Bytes& a, const Bytes& b, std::uint64_t size);

// Does it begin so? Nothing: it is too short to tell.
std::optional<bool> begins_like(const Bytes& bytes, const Head& head);

// The head as it is now; nothing: it could not be read, or the file is not the one that `known`
// tells of, as far as that goes.
std::optional<Head> head_now(const Bytes& bytes, const Marks& known);

}  // namespace logtally::pipeline
