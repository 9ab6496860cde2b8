#include "rules/json_decoder.h"

#include "rules/json_kernels.h"

namespace logtally::rules {
namespace {

void collect_below(const FieldPlan& plan, std::uint16_t node, std::vector<SlotId>& out) {
  for (const auto& [key, child] : plan.node(node).children) {
    out.push_back(child);
    collect_below(plan, child, out);
  }
}

void append_utf8(std::uint32_t code, std::string& out) {
  const auto byte = [&](std::uint32_t value) { out += static_cast<char>(value); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | code >> 6);
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | code >> 12);
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | code >> 18);
    byte(0x80 | (code >> 12 & 0x3F));
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

std::uint32_t hex4(const char* p) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) {
    const auto c = static_cast<unsigned char>(p[i]);
    value = value << 4 | (c <= '9' ? c - '0' : (c | 0x20U) - 'a' + 10);
  }
  return value;
}

}  // namespace

JsonDecoder::JsonDecoder(const FieldPlan& plan)
    : plan_(plan), below_(plan.slot_count()), state_of_(plan.slot_count()) {
  for (std::uint16_t node = 0; node < plan.slot_count(); ++node)
    collect_below(plan, node, below_[node]);
  use(Kernel::best);
  forget();
}

void JsonDecoder::use(Kernel kernel) {
  decode_ = kernel == Kernel::best && has_avx2() ? &decode_json_avx2 : &decode_json_portable;
}

void JsonDecoder::forget() {
  shapes_.edges.assign(1, {});
  // No edge: its literal is as good as none. Where it does fit (an object that is not closed, blank
  // lines behind it), the line is malformed, and that is where the edge leads.
  for (char& c : shapes_.edges[0].literal) c = '\n';
  shapes_.edges[0].mask = ~std::uint32_t{0};
  shapes_.states.assign(1, {});
  for (std::uint16_t node = 0; node < plan_.slot_count(); ++node) {
    if (node != 0 && plan_.node(node).children.empty()) continue;
    state_of_[node] = static_cast<std::uint16_t>(shapes_.states.size());
    JsonShapes::State& state = shapes_.states.emplace_back();
    state.node = node;
    state.depth = node == 0 ? 1
                            : static_cast<std::uint16_t>(
                                  shapes_.states[state_of_[plan_.node(node).parent]].depth + 1);
  }
  shapes_.parsed_since_reset = 0;
}

void unescape_json(std::string_view raw, std::string& out) {
  constexpr std::uint32_t kReplacement = 0xFFFD;
  for (std::size_t i = 0; i < raw.size();) {
    const std::size_t slash = std::min(raw.find('\\', i), raw.size());
    out.append(raw, i, slash - i);
    if (slash + 1 >= raw.size()) return;
    i = slash + 2;
    switch (const char c = raw[slash + 1]; c) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        if (i + 4 > raw.size()) return;
        std::uint32_t code = hex4(raw.data() + i);
        i += 4;
        if (code >= 0xDC00 && code <= 0xDFFF) {
          code = kReplacement;
        } else if (code >= 0xD800 && code <= 0xDBFF) {
          const bool pair = i + 6 <= raw.size() && raw[i] == '\\' && raw[i + 1] == 'u';
          const std::uint32_t low = pair ? hex4(raw.data() + i + 2) : 0;
          if (low >= 0xDC00 && low <= 0xDFFF) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            i += 6;
          } else {
            code = kReplacement;
          }
        }
        append_utf8(code, out);
        break;
      }
      default:
        out += c;  // " \ /
    }
  }
}

}  // namespace logtally::rules
