#include "config/code_page_tables.h"
namespace logtally::config {
std::span<const CodePage> text_code_pages() { return {}; }
}  // namespace logtally::config
