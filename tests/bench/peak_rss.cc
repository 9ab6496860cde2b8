// peak_rss FILE COMMAND…: runs COMMAND, writes its peak resident memory in KiB to FILE, exits as it
// does. A small parent is the point: on Linux ru_maxrss of a child starts at what its parent had
// when it forked (exec keeps the mark of the old memory), so a child of bench.py would never seem
// smaller than Python.
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  const pid_t child = fork();
  if (child == 0) {
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) != child) return perror("peak_rss"), 1;
  FILE* const file = fopen(argv[1], "w");
  if (file == nullptr) return perror(argv[1]), 1;
  fprintf(file, "%ld\n", usage.ru_maxrss);
  fclose(file);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
