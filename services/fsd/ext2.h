/*
 * The ext2 format as it is on the disk. All numbers are little-endian; the types le16 and le32 are
 * opened and made with the functions below only (sparse checks that).
 * Reference: "The Second Extended File System", and e2fsprogs' ext2_fs.h for the numbers.
 */
#ifndef FSD_EXT2_H
#define FSD_EXT2_H

#include <stddef.h>
#include <stdint.h>

#ifdef __CHECKER__
#define EXT2_LE    __attribute__((bitwise))
#define EXT2_FORCE __attribute__((force))
#else
#define EXT2_LE
#define EXT2_FORCE
#endif

typedef uint16_t EXT2_LE le16;
typedef uint32_t EXT2_LE le32;

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the conversions below are for x86");

static inline uint16_t get16(le16 v)
{
    return (EXT2_FORCE uint16_t)v;
}
static inline uint32_t get32(le32 v)
{
    return (EXT2_FORCE uint32_t)v;
}
static inline le16 put16(uint32_t v)
{
    return (EXT2_FORCE le16)(uint16_t)v;
}
static inline le32 put32(uint64_t v)
{
    return (EXT2_FORCE le32)(uint32_t)v;
}

enum {
    EXT2_SUPER_OFFSET = 1024,   /* of the superblock, in bytes from the start of the disk */
    EXT2_MAGIC = 0xEF53,
    EXT2_ROOT_INO = 2,
    EXT2_GOOD_OLD_FIRST_INO = 11,
    EXT2_GOOD_OLD_INODE_SIZE = 128,
    EXT2_NDIR = 12,             /* direct block pointers of an inode */
    EXT2_NPTR = 15,             /* all: the last three are single, double and triple indirect */
    EXT2_FAST_SYMLINK = 60,     /* targets shorter than this lie in the inode's pointers */
    EXT2_LINK_MAX = 32000,

    EXT2_STATE_VALID = 1,       /* s_state: cleanly unmounted */
    EXT2_STATE_ERROR = 2,

    EXT2_FL_IMMUTABLE = 0x10,
    EXT2_FL_APPEND = 0x20,      /* i_flags */
    EXT2_FL_INDEX = 0x1000,     /* directory with a hash tree */
    EXT4_FL_EXTENTS = 0x80000,
    EXT4_FL_INLINE_DATA = 0x10000000,

    EXT2_COMPAT_HAS_JOURNAL = 0x4,
    EXT2_COMPAT_RESIZE_INODE = 0x10,
    EXT2_COMPAT_SPARSE_SUPER2 = 0x200,
    EXT2_INCOMPAT_FILETYPE = 0x2,
    EXT2_RO_COMPAT_SPARSE_SUPER = 0x1,
    EXT2_RO_COMPAT_LARGE_FILE = 0x2,

    EXT2_XATTR_MAGIC = 0xEA020000,
};

struct ext2_super {
    le32 s_inodes_count;
    le32 s_blocks_count;
    le32 s_r_blocks_count;
    le32 s_free_blocks_count;
    le32 s_free_inodes_count;
    le32 s_first_data_block;    /* 1 with blocks of 1 KiB, else 0 */
    le32 s_log_block_size;      /* block size = 1024 << this */
    le32 s_log_frag_size;
    le32 s_blocks_per_group;
    le32 s_frags_per_group;
    le32 s_inodes_per_group;
    le32 s_mtime;
    le32 s_wtime;
    le16 s_mnt_count;
    le16 s_max_mnt_count;
    le16 s_magic;
    le16 s_state;
    le16 s_errors;
    le16 s_minor_rev_level;
    le32 s_lastcheck;
    le32 s_checkinterval;
    le32 s_creator_os;
    le32 s_rev_level;
    le16 s_def_resuid;
    le16 s_def_resgid;
    /* from here on only with s_rev_level >= 1 */
    le32 s_first_ino;
    le16 s_inode_size;
    le16 s_block_group_nr;
    le32 s_feature_compat;
    le32 s_feature_incompat;
    le32 s_feature_ro_compat;
    uint8_t s_uuid[16];
    char s_volume_name[16];
    char s_last_mounted[64];
    le32 s_algorithm_usage_bitmap;
    uint8_t s_prealloc_blocks;
    uint8_t s_prealloc_dir_blocks;
    le16 s_reserved_gdt_blocks; /* per group, kept for growing */
    uint8_t s_journal_uuid[16];
    le32 s_journal_inum;
    le32 s_journal_dev;
    le32 s_last_orphan;
    le32 s_hash_seed[4];
    uint8_t s_def_hash_version;
    uint8_t s_jnl_backup_type;
    le16 s_desc_size;
    le32 s_default_mount_opts;
    le32 s_first_meta_bg;
    le32 s_mkfs_time;
    le32 s_jnl_blocks[17];
    le32 s_blocks_count_hi;
    le32 s_r_blocks_count_hi;
    le32 s_free_blocks_count_hi;
    le16 s_min_extra_isize;
    le16 s_want_extra_isize;
    uint8_t s_unused_a[236];
    le32 s_backup_bgs[2];       /* sparse_super2: the groups with a copy */
    uint8_t s_unused_b[428];
};
_Static_assert(sizeof(struct ext2_super) == 1024, "superblock");
_Static_assert(offsetof(struct ext2_super, s_magic) == 56, "superblock");
_Static_assert(offsetof(struct ext2_super, s_uuid) == 104, "superblock");
_Static_assert(offsetof(struct ext2_super, s_mkfs_time) == 264, "superblock");
_Static_assert(offsetof(struct ext2_super, s_want_extra_isize) == 350, "superblock");
_Static_assert(offsetof(struct ext2_super, s_backup_bgs) == 588, "superblock");

struct ext2_group_desc {
    le32 bg_block_bitmap;
    le32 bg_inode_bitmap;
    le32 bg_inode_table;
    le16 bg_free_blocks_count;
    le16 bg_free_inodes_count;
    le16 bg_used_dirs_count;
    le16 bg_flags;
    le32 bg_reserved[3];
};
_Static_assert(sizeof(struct ext2_group_desc) == 32, "group descriptor");

struct ext2_inode_raw {
    le16 i_mode;
    le16 i_uid;
    le32 i_size;
    le32 i_atime;
    le32 i_ctime;
    le32 i_mtime;
    le32 i_dtime;
    le16 i_gid;
    le16 i_links_count;
    le32 i_blocks;              /* units of 512 bytes */
    le32 i_flags;
    le32 i_osd1;
    le32 i_block[EXT2_NPTR];
    le32 i_generation;
    le32 i_file_acl;            /* block of extended attributes, or 0 */
    le32 i_size_high;           /* of regular files */
    le32 i_faddr;
    le16 i_blocks_high;
    le16 i_file_acl_high;
    le16 i_uid_high;
    le16 i_gid_high;
    le32 i_osd2;
    /* from here on only where the inode is larger, as far as i_extra_isize says */
    le16 i_extra_isize;         /* bytes used behind the first 128 */
    le16 i_checksum_hi;
    le32 i_ctime_extra;         /* nanoseconds << 2 | high bits of the seconds */
    le32 i_mtime_extra;
    le32 i_atime_extra;
    le32 i_crtime;
    le32 i_crtime_extra;
    le32 i_version_hi;
    le32 i_projid;
};
_Static_assert(offsetof(struct ext2_inode_raw, i_block) == 40, "inode");
_Static_assert(offsetof(struct ext2_inode_raw, i_extra_isize) == 128, "inode");
_Static_assert(sizeof(struct ext2_inode_raw) == 160, "inode");

struct ext2_dirent {
    le32 inode;                 /* 0: not in use */
    le16 rec_len;               /* to the next entry; a multiple of 4 */
    uint8_t name_len;
    uint8_t file_type;          /* with the feature filetype; else the high byte of name_len */
    char name[];
};
_Static_assert(sizeof(struct ext2_dirent) == 8, "directory entry");

struct ext2_xattr_header {
    le32 h_magic;
    le32 h_refcount;
    le32 h_blocks;
    le32 h_hash;
};

#endif
