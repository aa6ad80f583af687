// What every thread of the process is doing, for people who look for a deadlock.
#pragma once

namespace longbow {

// Writes each thread's name and call stack to `fd`. Interrupts each for a moment by a signal (SIGRTMIN + 4);
// a thread that does not answer within 0.2 s is said to be stuck in the kernel. One caller at a time.
void WriteThreadStacks(int fd);

}  // namespace longbow
