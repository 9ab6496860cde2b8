// Relay: carries what a command writes to its standard output and its standard error on to the
// worker, and, with a tee, to our own. Only where the worker cannot read the command's pipe itself:
// with a tee, or when the two streams are to be told apart.
//
// The copies are exact, byte by byte and stream by stream. The worker gets whole lines, so that
// lines of the two do not mix; labelled ones in the form of CRI ("TIME stderr F text"), where an
// unfinished line that grows long goes in pieces.
//
// Nothing here waits. What cannot be written yet is kept, and beyond kKept of it the stream is not
// read: then the command's pipe fills, and at last the command waits, as it would at a terminal.
#pragma once

#include <poll.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/owned_fd.h"

namespace logtally::cli {

// Where bytes go on to, sooner or later. A terminal or pipe is opened anew where that is possible,
// so that writing to it need not wait and nobody else who has it is affected.
class Outlet {
 public:
  explicit Outlet(int borrowed);             // -1: bytes go nowhere
  explicit Outlet(pipeline::OwnedFd owned);  // a pipe's end that nobody else has

  void put(std::string_view bytes);
  void write_some();
  void drop();  // what is kept and whatever comes
  void close();

  std::size_t kept() const { return kept_.size() - at_; }
  int fd() const { return fd_; }
  int error() const { return error_; }  // errno of what ended it

 private:
  enum class Kind : std::uint8_t { none, patient, socket, careful };

  int fd_ = -1;
  pipeline::OwnedFd owned_;
  Kind kind_ = Kind::none;
  int error_ = 0;
  std::string kept_;
  std::size_t at_ = 0;  // written of kept_
};

class Relay {
 public:
  static constexpr std::size_t kKept = 1024 * 1024;
  static constexpr std::size_t kPiece = 64 * 1024;

  struct Spec {
    pipeline::OwnedFd standard_output;  // the command's, to read
    pipeline::OwnedFd standard_error;
    pipeline::OwnedFd worker;  // to write
    std::array<int, 2> copies = {-1, -1};
    bool labelled = false;
    std::function<std::int64_t()> wall_ns;
  };
  explicit Relay(Spec spec);

  void add_to(std::vector<pollfd>& waited) const;
  void work();  // what can be done now

  void drop_worker();  // there is none any more: only the copies go on
  void end_input();    // as if the command had closed its ends
  bool input_ended() const { return sources_[0].ended && sources_[1].ended; }
  bool copied() const { return copies_[0].kept() + copies_[1].kept() == 0; }

  std::vector<std::string> take_messages();

 private:
  struct Source {
    pipeline::OwnedFd fd;
    std::string held = {};  // of the line that is not complete
    bool ended = false;
    bool in_pieces = false;  // the begin of the line is with the worker
  };

  bool may_read(std::size_t stream) const;
  void read(std::size_t stream);
  void take(std::size_t stream, std::string_view bytes);
  void give(std::size_t stream, std::string_view line, bool complete);
  void end(std::size_t stream);

  std::array<Source, 2> sources_;
  std::array<Outlet, 2> copies_;
  Outlet worker_;
  bool labelled_;
  bool counted_ = true;
  std::function<std::int64_t()> wall_ns_;
  std::array<bool, 2> told_{};
  std::vector<char> buffer_;
};

}  // namespace logtally::cli
