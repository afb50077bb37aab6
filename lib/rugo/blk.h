/*
 * Block devices, one request at a time: submits and waits. Sectors are BLK_SECTOR (512) bytes;
 * data lies in a memory object at a byte offset that is a multiple of 512. Not to be mixed with
 * sys_blk_submit on the same handle: the completions would mix.
 */
#ifndef RUGO_BLK_H
#define RUGO_BLK_H

#include <stdint.h>
#include <rugo/abi.h>

/* 0 or negative errno, as sys_blk_submit and the device tell. Requests larger than the device
 * takes at once are cut up. */
int blk_read(handle_t blk, handle_t shm, uint64_t offset, uint64_t sector, uint64_t count);
int blk_write(handle_t blk, handle_t shm, uint64_t offset, uint64_t sector, uint64_t count);
/* Makes all finished writes durable. 0 for a device without a write cache. */
int blk_flush(handle_t blk);

#endif
