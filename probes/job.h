/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Jobs of at and cron: which session has written the file that a job comes from.
 */
#ifndef JOB_H
#define JOB_H

#include "share.h"

/* The first bytes of a name. */
#define FIRST(name, bytes) ((name) & ((1ULL << 8 * (bytes)) - 1))

/* Names of the folders in which at and cron keep them, as the numbers that their bytes are. */
#define FOLDER_ATJOBS 0x73626f6a7461ULL
#define FOLDER_AT 0x7461ULL
#define FOLDER_CRONTABS 0x736261746e6f7263ULL
#define FOLDER_CRON 0x6e6f7263ULL

/* Files that sessions have written, the latest ones; and of how many an hour there are shares. */
#define JOB_FILES 4096
#define JOB_NOTES (JOB_FILES / 4)

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, JOB_FILES);
	__type(key, struct job_file);
	__type(value, struct job);
} job_files SEC(".maps");

/* The session that has written the table of an account, by its uid. The daemon fills it in. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u64);
} job_tables SEC(".maps");

/* What the session has asked for can begin at any time, also when it is over. */
static __always_inline void jobs_expect(struct session *session)
{
	struct control *control = shared();

	session->jobs = 1;
	if (control)
		control->jobs = 1;
}

/* Of file systems of the kernel's own (linux/magic.h). */
#define PROC_SUPER_MAGIC 0x9fa0
#define SYSFS_MAGIC 0x62656572
#define CGROUP_SUPER_MAGIC 0x27e0eb

/* The first eight bytes of the names of files in them that name a program which the kernel runs. */
#define CORE_PATTERN 0x7461705f65726f63ULL
#define MODPROBE 0x65626f7270646f6dULL
#define HOTPLUG 0x67756c70746f68ULL
#define POWEROFF_CMD 0x66666f7265776f70ULL
#define UEVENT_HELPER 0x685f746e65766575ULL
#define RELEASE_AGENT 0x5f657361656c6572ULL

/*
 * Notes that a session writes such a file. Only root's counts, who alone can: others have file
 * systems of their own in which files have these names.
 */
static __noinline int helper_note(__u64 key, struct session *session, struct file *file)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	__u64 magic = BPF_CORE_READ(file, f_inode, i_sb, s_magic);
	struct control *control = shared();
	__u64 name = 0;

	if (magic != PROC_SUPER_MAGIC && magic != SYSFS_MAGIC && magic != CGROUP_SUPER_MAGIC)
		return 0;
	bpf_probe_read_kernel(&name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	if (name != CORE_PATTERN && name != MODPROBE && name != HOTPLUG && name != POWEROFF_CMD &&
	    name != UEVENT_HELPER && name != RELEASE_AGENT)
		return 0;
	if (!control || BPF_CORE_READ(task, cred, euid.val))
		return 0;
	control->helper = key;
	jobs_expect(session);
	return 0;
}

static __always_inline struct job_file job_file_of(struct inode *inode)
{
	struct job_file file = {
	    .inode = BPF_CORE_READ(inode, i_ino),
	    .device = BPF_CORE_READ(inode, i_sb, s_dev),
	};

	return file;
}

/*
 * Notes that a session writes a file, if it is where jobs are kept. That goes by the name of the
 * folder alone: what is elsewhere no job comes from. A folder of the user's own is passed over, so
 * that nobody can push out the notes of others.
 */
static __noinline int job_note(__u64 session, struct file *file)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct session *writer = bpf_map_lookup_elem(&sessions, &session);
	struct dentry *folder;
	struct inode *inode;
	struct job_file key;
	struct job job = {};
	struct job *noted;
	__u64 name[2] = {};
	__u32 owner;

	if (!writer)
		return 0;
	helper_note(session, writer, file);
	folder = BPF_CORE_READ(file, f_path.dentry, d_parent);
	bpf_probe_read_kernel(&name, sizeof(name), BPF_CORE_READ(folder, d_name.name));
	if (FIRST(name[0], 7) != FOLDER_ATJOBS && FIRST(name[0], 3) != FOLDER_AT &&
	    FIRST(name[0], 5) != FOLDER_CRON && (name[0] != FOLDER_CRONTABS || name[1] & 0xff))
		return 0;
	owner = BPF_CORE_READ(folder, d_inode, i_uid.val);
	if (owner && owner == BPF_CORE_READ(task, cred, uid.val))
		return 0;
	inode = BPF_CORE_READ(file, f_inode);
	key = job_file_of(inode);
	job.session = session;
	job.generation = BPF_CORE_READ(inode, i_generation);
	noted = bpf_map_lookup_elem(&job_files, &key);
	if ((!noted || noted->session != session) &&
	    !share_take_note(session, TABLE_JOBS, JOB_NOTES))
		return 0;
	bpf_map_update_elem(&job_files, &key, &job, BPF_ANY);
	jobs_expect(writer);
	return 0;
}

/*
 * The session that has asked for the job which this process of `uid` begins, or 0. A job of at is
 * the process's standard input. Of one of cron only its account tells the table it is from.
 */
static __noinline __u64 job_session(struct task_struct *task, __u32 login, __u32 uid)
{
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file *input = NULL;
	struct inode *inode;
	struct job_file key;
	struct job *job;
	__u64 *session;

	if (login == LOGIN_CRON) {
		session = bpf_map_lookup_elem(&job_tables, &uid);
		return session ? *session : 0;
	}
	if (login != LOGIN_AT)
		return 0;
	bpf_probe_read_kernel(&input, sizeof(input), BPF_CORE_READ(table, fd));
	if (!input)
		return 0;
	inode = BPF_CORE_READ(input, f_inode);
	key = job_file_of(inode);
	job = bpf_map_lookup_elem(&job_files, &key);
	/* A later file may have the same number. */
	return job && job->generation == BPF_CORE_READ(inode, i_generation) ? job->session : 0;
}

#endif
