// The passes of JsonDecoder: the same source (json_kernel.inc) compiled for AVX2 and for any
// machine.
#pragma once

#include "rules/event.h"

namespace logtally::rules {

class JsonDecoder;

const char* decode_json_portable(JsonDecoder& decoder, const char* line, Event& event);
const char* decode_json_avx2(JsonDecoder& decoder, const char* line, Event& event);

// Whether this machine runs decode_json_avx2 (elsewhere it is the portable one under another name).
bool has_avx2();

}  // namespace logtally::rules
