/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * The kernel structures the probes touch, reduced to the members they read. The loader finds the
 * real offsets in the running kernel's BTF (CO-RE), so order and size here mean nothing.
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define O_WRONLY 01
#define O_CREAT 0100
#define O_EXCL 0200
#define O_NOCTTY 0400
#define O_TRUNC 01000
#define O_NONBLOCK 04000
#define O_TMPFILE_BIT 020000000 /* of O_TMPFILE, which has O_DIRECTORY beside it */
#define FMODE_WRITE 0x2
#define FMODE_CREATED 0x100000
#define FMODE_BACKING 0x3000000	   /* since 6.5 the upper bit, since 6.14 the lower one; */
#define FMODE_NOACCOUNT 0x20000000 /* files with the other bit don't have this one */
#define AT_FDCWD -100
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_REMOVEDIR 0x200
#define AT_SYMLINK_FOLLOW 0x400
#define AT_EMPTY_PATH 0x1000
#define AF_INET 2
#define AF_INET6 10
#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_PACKET 17
#define AF_VSOCK 40
#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_TYPE_MASK 0xf
#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define IPPROTO_UDP 17
#define IPPROTO_SCTP 132
#define IPPROTO_SMC 256
#define IPPROTO_UDPLITE 136
#define IPPROTO_TCP 6
#define IPPROTO_MPTCP 262
#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_CLOSE 7
#define TCP_LISTEN 10
/* Of these, which maps return, only 32 bits count: before 6.4 their functions set no more. */
#define ENOENT 2
#define EEXIST 17
#define EISCONN 106
#define EALREADY 114
#define EINPROGRESS 115
#define ECANCELED 125
#define UNIX_PATH_MAX 108
#define PIDTYPE_PID 0
#define PIDTYPE_SID 3
#define NSFS_MAGIC 0x6e736673
#define FUSE_SUPER_MAGIC 0x65735546
#define BPF_PROGRAM_NAME 16
#define PTRACE_ATTACH 16
#define PTRACE_SEIZE 0x4206
#define PTRACE_SYSEMU 31
#define PTRACE_SYSEMU_SINGLESTEP 32
#define SECCOMP_MODE_FILTER 2
#define CLONE_VM 0x100
#define CLONE_VFORK 0x4000
#define SIGCHLD 17
#define SIGNAL_GROUP_EXIT 4
#define SIG_IGN 1
#define PR_SET_DUMPABLE 4
#define TIOCSWINSZ 0x5414
#define PTMX (5 << 20 | 2) /* the device number of /dev/ptmx */
#define MAX_ERRNO 4095
#define ERESTARTSYS 512
#define ERESTART_RESTARTBLOCK 516
#define PF_IO_WORKER 0x10
#define PF_KTHREAD 0x200000

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	unsigned int val;
} kuid_t;

typedef struct {
	int counter;
} atomic_t;

struct qstr {
	__u32 len;
	const unsigned char *name;
};

struct hlist_bl_node {
	struct hlist_bl_node **pprev;
};

struct dentry {
	struct hlist_bl_node d_hash;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
};

struct file_system_type {
	const char *name;
};

struct user_namespace {
	struct user_namespace *parent;
};

struct super_block {
	unsigned int s_dev;
	unsigned long s_magic;
	struct file_system_type *s_type;
	struct user_namespace *s_user_ns;
};

struct vfsmount {
	struct dentry *mnt_root;
	struct super_block *mnt_sb;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
	const char *mnt_devname;
	struct mnt_namespace *mnt_ns;
};

struct ns_common {
	__u32 ns_type;
	unsigned int inum;
};

struct mnt_namespace {
	struct ns_common ns;
	struct mount *root;
	struct user_namespace *user_ns;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct inode {
	unsigned short i_mode;
	kuid_t i_uid;
	unsigned long i_ino;
	__u32 i_generation;
	struct super_block *i_sb;
	atomic_t i_writecount; /* below 0 while nobody may open it to write */
	__u32 i_rdev;
	void *i_private;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	unsigned int f_flags;
	unsigned int f_mode;
	void *private_data;
};

/* The file that a union file system works on, in place of its own. */
struct backing_file {
	struct path user_path; /* since 6.7; before that, f_path is what users know it by */
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
	unsigned long *close_on_exec;
};

struct files_struct {
	struct fdtable *fdt;
};

struct fs_struct {
	struct path root;
	struct path pwd;
};

struct rb_node {
	struct rb_node *rb_right;
	struct rb_node *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

/* The mappings of a process, since 6.1; only as many of a node's members as are read. */
struct maple_tree {
	void *ma_root;
};

struct maple_range_64 {
	unsigned long pivot[15];
	void *slot[16];
};

struct maple_arange_64 {
	unsigned long pivot[9];
	void *slot[10];
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	struct file *vm_file;
};

struct vm_area_struct___before_6_1 {
	struct rb_node vm_rb;
};

struct mm_struct___before_6_1 {
	struct rb_root mm_rb;
};

struct mm_struct {
	struct maple_tree mm_mt;
	atomic_t mm_users;
	void *ioctx_table;
	unsigned long arg_start;
	unsigned long arg_end;
	unsigned long env_start;
	unsigned long env_end;
	struct file *exe_file;
};

struct winsize {
	unsigned short ws_row;
	unsigned short ws_col;
};

struct tty_driver {
	int major;
	int minor_start;
};

struct tty_struct {
	struct tty_driver *driver;
	int index;
	struct winsize winsize;
	struct tty_struct *link; /* the other side of a pseudo terminal */
	struct {
		struct pid *session;
	} ctrl;
};

struct tty_struct___bare {
	struct pid *session;
};

struct tty_file_private {
	struct tty_struct *tty;
};

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct xarray {
	void *xa_head;
};

/* It has 64 slots, or 16 in kernels made for little memory. */
struct xa_node {
	unsigned char shift;
	void *slots[64];
};

struct idr {
	struct xarray idr_rt;
};

struct pid_namespace {
	struct idr idr;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct hlist_head tasks[4];
	struct upid numbers[0];
};

struct proc_ns_operations___before_6_18 {
	int type;
};

struct ns_common___before_6_18 {
	const struct proc_ns_operations___before_6_18 *ops;
};

struct bpf_prog_aux {
	__u32 id;
	char name[BPF_PROGRAM_NAME];
};

struct bpf_map {
	__u32 id;
	char name[BPF_PROGRAM_NAME];
};

struct bpf_prog {
	enum bpf_prog_type type;
	struct bpf_prog_aux *aux;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_link {
	__u32 id;
	struct bpf_prog *prog;
};

struct signal_struct {
	int nr_threads;
	atomic_t live;
	struct pid *pids[4];
	struct tty_struct *tty;
	unsigned int flags;
	int group_exit_code;
	unsigned long maxrss;
	unsigned long long sum_sched_runtime;
};

typedef struct {
	unsigned int val;
} kgid_t;

/* Before 6.3 two words of 32 bits, the lower one first. */
typedef struct {
	__u64 val;
} kernel_cap_t;

struct cred {
	kuid_t uid;
	kgid_t gid;
	kuid_t suid;
	kuid_t euid;
	kgid_t egid;
	kernel_cap_t cap_inheritable;
	kernel_cap_t cap_permitted;
	kernel_cap_t cap_effective;
};

struct sched_entity {
	__u64 sum_exec_runtime;
};

struct kernfs_node {
	__u64 id;
	const char *name;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

struct list_head {
	struct list_head *next;
};

struct seccomp {
	int mode;
};

struct sigaction {
	void *sa_handler;
};

struct k_sigaction {
	struct sigaction sa;
};

struct sighand_struct {
	struct k_sigaction action[64];
};

struct task_struct {
	void *stack;
	unsigned int flags;
	unsigned int personality;
	int pid;
	int tgid;
	struct list_head children;
	struct seccomp seccomp;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	__u64 start_boottime;
	struct css_set *cgroups;
	struct pid *thread_pid;
	struct hlist_node pid_links[4];
	struct mm_struct *mm;
	const struct cred *cred;
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	void *io_uring;
	struct signal_struct *signal;
	struct sighand_struct *sighand;
	int exit_code;
	struct sched_entity se;
	kuid_t loginuid;
	unsigned int sessionid;
	char comm[16];
};

struct linux_binprm {
	unsigned int secureexec : 1;
	char buf[256]; /* the beginning of the file that runs */
	const char *filename;
	const char *interp;
};

struct in6_addr {
	union {
		__u8 u6_addr8[16];
	} in6_u;
};

struct net;

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	possible_net_t skc_net;
	__u32 skc_daddr;
	__u32 skc_rcv_saddr;
	__u16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	unsigned char skc_state;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
};

struct sock;

struct socket {
	struct file *file;
	struct sock *sk;
};

struct sock {
	struct sock_common __sk_common;
	int sk_err;
	__u16 sk_type;
	__u16 sk_protocol;
	struct pid *sk_peer_pid;
	struct socket *sk_socket;
	struct {
		int owned;
	} sk_lock;
};

struct inet_connection_sock {
	void *icsk_ulp_data;
};

struct tcp_sock {
	_Bool is_mptcp;
};

struct mptcp_subflow_context {
	struct sock *conn;
};

struct sk_buff {
	struct sock *sk;
	__u16 transport_header;
	__u16 network_header;
};

struct sockaddr_un {
	char sun_path[UNIX_PATH_MAX];
};

struct unix_address {
	int len;
	struct sockaddr_un name[0];
};

struct unix_sock {
	struct unix_address *addr;
	struct path path;
	struct sock *peer;
};

struct socket_alloc {
	struct socket socket;
	struct inode vfs_inode;
};

struct filename {
	const char *name;
};

/* What an io_uring request asks for; it is at the beginning of the request. */
struct io_open {
	int dfd;
	__u32 file_slot;
	struct filename *filename;
	struct {
		__u64 flags;
		__u64 mode;
	} how;
};

struct io_connect {
	void *addr; /* in the memory of the process */
	int addr_len;
};

struct io_accept {
	int iou_flags; /* since 6.10 */
	__u32 file_slot;
};

struct io_socket {
	int domain;
	int type;
	int protocol;
};

struct io_sr_msg {
	void *umsg; /* in the memory of the process */
};

/* Since 7.0 */
struct delayed_filename {
	struct filename *__incomplete_filename;
};

struct io_open___delayed {
	struct delayed_filename filename;
};

struct io_rename {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
	int flags;
};

struct io_unlink {
	int dfd;
	int flags;
	struct filename *filename;
};

struct io_mkdir {
	int dfd;
	unsigned short mode;
	struct filename *filename;
};

/* Of hard and symbolic links. */
struct io_link {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
	int flags;
};

/* Before 6.0 */
struct io_hardlink {
	int old_dfd;
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
	int flags;
};

struct io_symlink {
	int new_dfd;
	struct filename *oldpath;
	struct filename *newpath;
};

struct io_ftrunc {
	__s64 len;
};

struct xattr_name {
	char name[256];
};

struct kernel_xattr_ctx {
	struct xattr_name *kname;
	unsigned int flags;
};

struct io_xattr {
	struct kernel_xattr_ctx ctx;
	struct filename *filename;
};

/* Before 6.13 */
struct xattr_ctx {
	struct xattr_name *kname;
	unsigned int flags;
};

struct io_xattr___before_6_13 {
	struct xattr_ctx ctx;
};

struct io_rename___delayed {
	struct delayed_filename oldpath;
	struct delayed_filename newpath;
};

struct io_unlink___delayed {
	struct delayed_filename filename;
};

struct io_mkdir___delayed {
	struct delayed_filename filename;
};

struct io_link___delayed {
	struct delayed_filename oldpath;
	struct delayed_filename newpath;
};

struct io_xattr___delayed {
	struct delayed_filename filename;
};

struct io_cqe {
	__u64 user_data;
	__s32 res;
	int fd; /* until the request has its file */
};

struct io_uring_cqe {
	__u64 user_data;
	__s32 res;
};

struct io_fixed_file {
	unsigned long file_ptr;
};

struct io_file_table {
	struct io_fixed_file *files;
};

/* Since 6.13 */
struct io_rsrc_node {
	unsigned long file_ptr;
};

struct io_rsrc_data {
	struct io_rsrc_node **nodes;
};

struct io_file_table___nodes {
	struct io_rsrc_data data;
};

struct io_ring_ctx {
	struct io_file_table file_table;
};

struct io_kiocb {
	struct file *file;
	__u8 opcode;
	unsigned int flags; /* as the program gave them, in the lowest bits */
	__u64 user_data;
	struct io_cqe cqe;
	struct io_ring_ctx *ctx;
};

/* The saved user registers differ by architecture; both forms are here, and CO-RE picks one. */
struct pt_regs___x86 {
	unsigned long bp;
	unsigned long bx;
	unsigned long cx;
	unsigned long di;
	unsigned long si;
	unsigned long dx;
	unsigned long r10;
	unsigned long orig_ax;
	unsigned long r8;
	unsigned long r9;
};

struct pt_regs___arm64 {
	__u64 regs[31];
	__u64 orig_x0;
	__s32 syscallno;
};

struct pt_regs {
};

/* So does what tells that a thread is in a call of a 32-bit program. */
struct thread_info___x86 {
	__u32 status;
};

struct thread_info___arm64 {
	unsigned long flags;
};

struct task_struct___x86 {
	struct thread_info___x86 thread_info;
};

struct task_struct___arm64 {
	struct thread_info___arm64 thread_info;
};

#pragma clang attribute pop

/* Tracepoints whose arguments have changed: which this kernel has, only their types tell. */
typedef void (*btf_trace_io_uring_submit_sqe___ring)(void *, void *, void *, __u8, __u64, __u32,
						     _Bool, _Bool);
typedef void (*btf_trace_io_uring_complete___nameless)(void *, void *, __u64, int, unsigned int);
typedef void (*btf_trace_io_uring_complete___whole)(void *, struct io_ring_ctx *, void *,
						    struct io_uring_cqe *);

#endif
