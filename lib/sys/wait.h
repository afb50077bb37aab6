/* Reading an exit status (Linux's wait encoding, as process_status tells it). */
#ifndef LIB_SYS_WAIT_H
#define LIB_SYS_WAIT_H

#define WEXITSTATUS(s) (((s) >> 8) & 255)
#define WTERMSIG(s)    ((s) & 127)
#define WIFEXITED(s)   (WTERMSIG(s) == 0)
#define WIFSIGNALED(s) (WTERMSIG(s) != 0 && WTERMSIG(s) != 127)
#define WCOREDUMP(s)   ((s) & 128)

#endif
