// Continuation: which lines of a stream belong to the record above them (RULES: a record is a line
// and what continues it).
//
// Judged by the text alone, after the formats have been tried:
//
//   a line that fits a format       is a record, whatever it looks like
//   an indented line                continues the record above
//   a Python traceback              continues it: from `Traceback (most recent call last):` over
//   its frames to the line of
//                                   the exception, with all that are chained to it and the blank
//                                   lines between
//   `Stack (most recent call last):`  continues it (logging's stack_info)
//   `--- Logging error ---`         is a record of its own, even under a record that joins: logging
//   prints it when a handler
//                                   fails, about some other record. Its traceback, `Call stack:`,
//                                   `Message:` and `Arguments:` continue it
//   any other line                  continues a record whose format joins; else it is a bare record
//   a blank line                    is part of a chained traceback or of a record that joins; else
//   a bare record
//
// Notes and the further lines of an exception's message look like anything; under a record that
// does not join they are bare records. A record that is complete (JSON), that an idle second has
// ended, or that does not exist is continued by nothing: what would continue it begins a bare
// record, and that is continued.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace logtally::rules {

// What the formats say of a line.
enum class LineFit : std::uint8_t {
  none,      // fits none
  complete,  // a JSON object: continued by nothing
  format,    // fits a format
  joins,     // fits a format with `continuation: join`
};

// One per stream; plain data, to be copied where a position is.
class Continuation {
 public:
  enum class Line : std::uint8_t {
    record,     // begins one
    continues,  // belongs to the record above
    unsure,  // a blank line behind a traceback: belongs to the record above if the next line does,
             // else it is a bare record. Who does not want to wait lets it continue.
  };

  // The lines of the stream in turn, each without its newline (a carriage return at its end is none
  // of it).
  Line next(std::string_view line, LineFit fit) {
    if (fit == LineFit::none) return unfit(line);
    const char last = line.empty() ? '\0' : line.back();
    if (last == ':' || last == '\r') {  // a traceback may begin on it
      begin(line, fit);
    } else {
      stand_below(fit);
    }
    return Line::record;
  }

  // The record above is closed (idle for a second, end of the stream): nothing continues it any
  // more.
  void close() { *this = Continuation{}; }

  // Whatever is no record of its own continues the record above.
  bool joins() const { return above_ == Above::joins; }
  // What it has come to, for who keeps it across a restart. from_byte(): nothing for one that
  // to_byte() never gives.
  std::uint8_t to_byte() const {
    return static_cast<std::uint8_t>(static_cast<unsigned>(above_) |
                                     static_cast<unsigned>(place_) << 2 |
                                     static_cast<unsigned>(logging_error_) << 5);
  }
  static std::optional<Continuation> from_byte(std::uint8_t byte) {
    if ((byte & 3) > static_cast<unsigned>(Above::joins) ||
        (byte >> 2 & 7) > static_cast<unsigned>(Place::chained) || byte >= 64)
      return std::nullopt;
    Continuation judge;
    judge.above_ = static_cast<Above>(byte & 3);
    judge.place_ = static_cast<Place>(byte >> 2 & 7);
    judge.logging_error_ = byte >> 5 != 0;
    return judge;
  }

  // Something may still continue the record above; a complete one need not wait.
  bool open() const { return above_ != Above::closed; }

 private:
  enum class Above : std::uint8_t { closed, stands, joins };
  enum class Place : std::uint8_t {
    plain,
    frames,        // behind `Traceback ...:`, the exception is to come
    raised,        // behind the exception
    raised_blank,  // and a blank line
    chained,       // behind `During handling ...:`, the next traceback is to come
  };

  void begin(std::string_view line, LineFit fit);
  // The next line stands below a record of this kind, with nothing open.
  void stand_below(LineFit fit) {
    above_ = fit == LineFit::joins      ? Above::joins
             : fit == LineFit::complete ? Above::closed
                                        : Above::stands;
    place_ = Place::plain;
    logging_error_ = false;
  }
  Line unfit(std::string_view line);
  Line begin_bare(std::string_view line);
  Line continue_with(Place place) {
    place_ = place;
    return Line::continues;
  }

  Above above_ = Above::closed;
  Place place_ = Place::plain;
  bool logging_error_ = false;  // within such a block
};

}  // namespace logtally::rules
