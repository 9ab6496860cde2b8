// Result<T>: a value, or an Error that says what was attempted, on what, and why it failed. For
// what the environment can cause; a bug is an assert, a bad line is data.
#pragma once

#include <string>
#include <utility>

#include <boost/system/result.hpp>

namespace logtally {

struct Error {
  std::string text;  // one line, for people: "cannot open /var/log/a.log: permission denied"

  // Prepends the caller's own noun: error.within("target aria") -> "target aria: cannot open ...".
  Error within(const std::string& what) const { return Error{what + ": " + text}; }
};

// Boost.System asks for this when value() is called on an error; callers test first, so it is a bug
// to get here.
[[noreturn]] void throw_exception_from_error(const Error& error,
                                             const boost::source_location& where);

template <class T>
struct [[nodiscard]] Result : boost::system::result<T, Error> {
  using boost::system::result<T, Error>::result;
};

}  // namespace logtally
