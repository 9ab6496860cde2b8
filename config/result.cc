#include "config/result.h"

#include <cstdio>
#include <cstdlib>

namespace logtally {

void throw_exception_from_error(const Error& error, const boost::source_location& where) {
  std::fprintf(stderr, "logtally: bug at %s:%u: value() of a failed result: %s\n",
               where.file_name(), static_cast<unsigned>(where.line()), error.text.c_str());
  std::abort();
}

}  // namespace logtally
