#include "pipeline/inflated.h"

#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace logtally::pipeline {
namespace {

constexpr std::size_t kInputBytes = 64 * 1024;
constexpr std::size_t kOutputBytes = 128 * 1024;  // at once
constexpr std::size_t kKept = 1024 * 1024;        // of what was read, for looking back
constexpr int kZstdWindowLog = 27;                // 128 MiB: what `zstd --long` makes and no more

ssize_t pread_whole(int fd, char* to, std::size_t size, std::uint64_t offset) {
  for (;;) {
    const ssize_t n = ::pread(fd, to, size, static_cast<off_t>(offset));
    if (n >= 0 || errno != EINTR) return n;
  }
}

}  // namespace

// The compressed side: input in pieces, the library's state.
struct Inflated::Stream {
  Container container;
  int fd;
  std::uint64_t input_offset = 0;  // behind what is in `input`
  std::array<char, kInputBytes> input{};
  std::size_t begin = 0;  // of what was not taken yet
  std::size_t end = 0;
  bool member_open = false;  // within a gzip member, a zstd frame
  z_stream gzip{};
  bool gzip_ready = false;
  ZSTD_DStream* zstd = nullptr;

  Stream(Container what, int from) : container(what), fd(from) {}
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() {
    if (gzip_ready) inflateEnd(&gzip);
    ZSTD_freeDStream(zstd);
  }

  bool reset() {
    input_offset = 0;
    begin = end = 0;
    member_open = false;
    if (container == Container::gzip) {
      if (gzip_ready) return inflateReset(&gzip) == Z_OK;
      gzip_ready = inflateInit2(&gzip, 15 + 16) == Z_OK;  // 16: gzip and nothing else
      return gzip_ready;
    }
    if (zstd == nullptr) zstd = ZSTD_createDStream();
    return zstd != nullptr && !ZSTD_isError(ZSTD_initDStream(zstd)) &&
           !ZSTD_isError(ZSTD_DCtx_setParameter(zstd, ZSTD_d_windowLogMax, kZstdWindowLog));
  }

  // Adds at most kOutputBytes to `out`. 1: something, 0: no input left, -1: errno.
  int inflate_some(std::string& out) {
    for (;;) {
      if (begin == end) {
        const ssize_t got = pread_whole(fd, input.data(), input.size(), input_offset);
        if (got <= 0) return static_cast<int>(got);
        input_offset += static_cast<std::uint64_t>(got);
        begin = 0;
        end = static_cast<std::size_t>(got);
      }
      const std::size_t before = out.size();
      out.resize(before + kOutputBytes);
      std::size_t made = 0;
      const bool good = container == Container::gzip ? gunzip(out.data() + before, made)
                                                     : unzstd(out.data() + before, made);
      out.resize(before + made);
      if (!good) {
        errno = EBADMSG;
        return -1;
      }
      if (made > 0) return 1;
    }
  }

  bool gunzip(char* to, std::size_t& made) {
    gzip.next_in = reinterpret_cast<Bytef*>(input.data() + begin);
    gzip.avail_in = static_cast<uInt>(end - begin);
    gzip.next_out = reinterpret_cast<Bytef*>(to);
    gzip.avail_out = kOutputBytes;
    member_open = true;
    const int result = ::inflate(&gzip, Z_NO_FLUSH);
    begin = end - gzip.avail_in;
    made = kOutputBytes - gzip.avail_out;
    if (result == Z_STREAM_END) {  // another member may follow
      member_open = false;
      return inflateReset(&gzip) == Z_OK;
    }
    return result == Z_OK || result == Z_BUF_ERROR;
  }

  bool unzstd(char* to, std::size_t& made) {
    ZSTD_inBuffer in{.src = input.data() + begin, .size = end - begin, .pos = 0};
    ZSTD_outBuffer out{.dst = to, .size = kOutputBytes, .pos = 0};
    const std::size_t result = ZSTD_decompressStream(zstd, &out, &in);
    begin += in.pos;
    made = out.pos;
    member_open = result != 0;
    return !ZSTD_isError(result);
  }
};

Inflated::Inflated(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
Inflated::~Inflated() = default;

std::unique_ptr<Inflated> Inflated::open(Container container, int fd) {
  std::unique_ptr<Inflated> inflated(new Inflated(std::make_unique<Stream>(container, fd)));
  if (!inflated->rewind()) return nullptr;
  return inflated;
}

bool Inflated::rewind() {
  window_.clear();
  end_ = 0;
  error_ = 0;
  return stream_->reset();
}

bool Inflated::more() {
  if (error_ != 0) return false;
  if (window_.size() > 2 * kKept) window_.erase(0, window_.size() - kKept);
  const std::size_t before = window_.size();
  const int result = stream_->inflate_some(window_);
  end_ += window_.size() - before;
  if (result < 0) error_ = errno;
  return window_.size() > before;
}

ssize_t Inflated::read_at(char* to, std::size_t size, std::uint64_t offset) {
  if (offset < end_ - window_.size() && !rewind()) {
    errno = ENOMEM;
    return -1;
  }
  while (end_ <= offset) {
    if (more()) continue;
    errno = error_;
    return error_ == 0 ? 0 : -1;
  }
  std::size_t copied = 0;
  while (copied < size) {
    const std::uint64_t at = offset + copied;
    if (at == end_ && !more()) break;
    const std::uint64_t window_begin = end_ - window_.size();
    const std::size_t piece = std::min(size - copied, static_cast<std::size_t>(end_ - at));
    std::memcpy(to + copied, window_.data() + (at - window_begin), piece);
    copied += piece;
  }
  return static_cast<ssize_t>(copied);
}

bool Inflated::complete() const { return error_ == 0 && !stream_->member_open; }

Container container_of_content(int fd) {
  std::array<unsigned char, 4> magic{};
  const ssize_t got = pread_whole(fd, reinterpret_cast<char*>(magic.data()), magic.size(), 0);
  if (got >= 3 && magic[0] == 0x1F && magic[1] == 0x8B && magic[2] == 8) return Container::gzip;
  if (got == 4 && magic[0] == 0x28 && magic[1] == 0xB5 && magic[2] == 0x2F && magic[3] == 0xFD)
    return Container::zstd;
  return Container::plain;
}

ssize_t Bytes::read_at(char* to, std::size_t size, std::uint64_t offset) const {
  return inflated == nullptr ? pread_whole(fd, to, size, offset)
                             : inflated->read_at(to, size, offset);
}

}  // namespace logtally::pipeline
