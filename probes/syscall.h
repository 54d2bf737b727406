/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * The arguments of the system call that is about to return, from the saved user registers, so
 * that nothing has to be kept between its entry and its exit.
 */
#ifndef SYSCALL_H
#define SYSCALL_H

#include "again.h"
#include "compat.h"
#include "abi.h"
#include "settled.h"
#include "syscalls.h"

/* Kernels without bpf_task_pt_regs (before 5.15) have stacks of this size on both architectures. */
#define STACK_SIZE 16384

static __always_inline struct pt_regs *user_registers(void)
{
	struct task_struct *task = current_task();

	if (IS_PLAIN)
		return (void *)bpf_task_pt_regs(task);
	return BPF_CORE_READ(task, stack) + STACK_SIZE - bpf_core_type_size(struct pt_regs);
}

/* From asm/thread_info.h of each. */
#define TS_COMPAT 0x2
#define TIF_32BIT 22

/* Whether the thread is in a call of 32 bits, which has another number. */
static __always_inline int is_32_bit(void)
{
	struct task_struct___arm64 *arm64 = (void *)current_task();
	struct task_struct___x86 *x86 = (void *)arm64;

	if (bpf_core_field_exists(x86->thread_info.status))
		return member(x86, thread_info.status) & TS_COMPAT;
	return member(arm64, thread_info.flags) >> TIF_32BIT & 1;
}

/*
 * `number` as the thread has given it, or of a call of 32 bits that of the same call of 64 bits; 0
 * of one that is not looked at.
 */
static __always_inline long native_number(long number)
{
	return is_32_bit() ? compat_call(user_registers(), (__u32)number).number : number;
}

/* The number that the thread has given, from its saved registers: of it, 32 bits count. */
static __always_inline long number_given(struct pt_regs *registers)
{
	struct pt_regs___arm64 *arm64 = (void *)registers;
	struct pt_regs___x86 *x86 = (void *)registers;

	return bpf_core_field_exists(arm64->syscallno) ? member(arm64, syscallno)
						       : (long)(__s32)member(x86, orig_ax);
}

__noinline long syscall_number(void)
{
	return native_number(number_given(user_registers()));
}

/*
 * `result` of a call of 32 bits on arm64, where a register or the tracepoint has its lower half: an
 * address can be any number below the errors.
 */
static __always_inline long compat_result(long result)
{
	return (__u32)result >= (__u32)-MAX_ERRNO ? (long)(__s32)result : (long)(__u32)result;
}

/* Of a call of 32 bits, as the tracepoint tells it. */
static __always_inline long result_told(long result)
{
	struct pt_regs___arm64 *arm64 = NULL;

	return bpf_core_field_exists(arm64->syscallno) ? compat_result(result) : result;
}

/* As the caller is going to have it; where there is no such register, the code may not be looked
 * at. */
__noinline long result_in_register(void)
{
	struct pt_regs___arm64 *arm64 = (void *)user_registers();

	return bpf_core_field_exists(arm64->syscallno) ? compat_result(member(arm64, regs[0])) : 0;
}

/*
 * As the function tells it that calls of 32 bits pass: of two arguments on x86, so that the result
 * is behind them, while that of arm64 returns nothing.
 */
static __always_inline long result_returned(__u64 *context)
{
	struct pt_regs___arm64 *arm64 = NULL;

	return bpf_core_field_exists(arm64->syscallno) ? result_in_register() : context[2];
}

/* A system call that is about to return. */
struct syscall_exit {
	__s32 number;
	__u32 is_compat; /* of 32 bits */
	long result;
	struct process *process; /* of the current process; there is one */
	struct pt_regs *registers;
	__u32 via; /* VIA_OUTCOME_UNKNOWN if the result can be another's than the kernel's;
		      VIA_RACY */
};

/*
 * What is to be said of a result that came by where also those calls pass that were answered
 * without being made: by a seccomp filter of the thread, by whom that has asked, or by a tracer
 * (PTRACE_SYSEMU). That nothing was done for an error is true in any case.
 */
__noinline int via_answer(__u64 emulated, long result)
{
	struct task_struct *task = current_task();

	if (result < 0)
		return 0;
	if (emulated || (bpf_core_field_exists(task->seccomp.mode) &&
			 member(task, seccomp.mode) == SECCOMP_MODE_FILTER))
		return VIA_OUTCOME_UNKNOWN;
	return 0;
}

/* Of a call of 32 bits, whose arguments can be in memory, what is to be said of these. */
__noinline int via_compat(void)
{
	struct pt_regs *registers = user_registers();
	struct compat_call call = compat_call(registers, (__u32)number_given(registers));
	__s32 source = forms[call.form & (FORMS - 1)][0];

	if ((source & SOURCE_KIND) != MEMORY)
		return 0;
	return is_racy(compat_register(registers, source & SOURCE_REGISTER), 6 * sizeof(__u32))
		   ? VIA_RACY
		   : 0;
}

/* Both, behind the function that calls of 32 bits pass: on arm64 it is in front of a filter. */
__noinline int via_compat_answer(__u64 emulated, long result)
{
	struct pt_regs___arm64 *arm64 = NULL;

	if (bpf_core_field_exists(arm64->syscallno))
		return via_answer(emulated, result);
	return via_compat();
}

/* Of a call of 64 bits; `index` from 0 to 5. */
static __always_inline unsigned long argument_in(struct pt_regs *registers, __u32 index, int plain)
{
	struct pt_regs___arm64 *arm64 = (void *)registers;
	struct pt_regs___x86 *x86 = (void *)registers;

	if (bpf_core_field_exists(arm64->orig_x0)) {
		switch (index) {
		case 0:
			return member_if(plain, arm64, orig_x0);
		case 1:
			return member_if(plain, arm64, regs[1]);
		case 2:
			return member_if(plain, arm64, regs[2]);
		case 3:
			return member_if(plain, arm64, regs[3]);
		case 4:
			return member_if(plain, arm64, regs[4]);
		default:
			return member_if(plain, arm64, regs[5]);
		}
	}
	switch (index) {
	case 0:
		return member_if(plain, x86, di);
	case 1:
		return member_if(plain, x86, si);
	case 2:
		return member_if(plain, x86, dx);
	case 3:
		return member_if(plain, x86, r10);
	case 4:
		return member_if(plain, x86, r8);
	default:
		return member_if(plain, x86, r9);
	}
}

/* Whether a call's arguments can't be told from its registers at once. */
static __always_inline int is_obscure(void)
{
	return !IS_PLAIN || is_32_bit();
}

/*
 * A program at the end of system calls, in three forms: for the tracepoint that all of them pass,
 * by way of `dispatch`; for the functions of the single calls (fexit), where those can be hooked;
 * and beside these for the function that those of 32 bits pass, by way of `dispatch_compat`: on
 * arm64 they share functions with the others. Before anything else they ask whether the process is
 * known at all. What follows is the body.
 */
#define SYSCALL_EXIT(program, probe) SYSCALL_EXIT_IF(program, probe, any_call)
#define any_call(registers) 1

/*
 * A program for the ends of calls of which few matter, by their registers. A process that may begin
 * a session does so with any of them.
 */
#define SYSCALL_EXIT_IF(program, probe, may_matter)                                                \
	static int program##_body(struct syscall_exit *context);                                   \
	static __always_inline void program##_told(__u64 *context)                                 \
	{                                                                                          \
		struct syscall_exit exit = {.process = known_process()};                           \
		if (!exit.process)                                                                 \
			return;                                                                    \
		exit.registers = (void *)context[0];                                               \
		if (!exit.process->login && !may_matter(exit.registers))                           \
			return;                                                                    \
		exit.is_compat = is_32_bit();                                                      \
		exit.number = exit.is_compat ? syscall_number() : number_given(exit.registers);    \
		exit.result = exit.is_compat ? result_told(context[1]) : context[1];               \
		exit.via = via_answer(exit.process->emulated, exit.result);                        \
		if (exit.is_compat)                                                                \
			exit.via |= via_compat();                                                  \
		if (exit.number || !exit.is_compat)                                                \
			program##_body(&exit);                                                     \
	}                                                                                          \
	SEC("tp_btf/sys_exit") int program(__u64 *context)                                         \
	{                                                                                          \
		return RUN(program##_told(context));                                               \
	}                                                                                          \
	static __always_inline void program##_over(long result)                                    \
	{                                                                                          \
		struct syscall_exit exit = {.process = known_process(), .result = result};         \
		if (!exit.process || is_32_bit())                                                  \
			return;                                                                    \
		exit.registers = user_registers();                                                 \
		exit.number = number_given(exit.registers);                                        \
		program##_body(&exit);                                                             \
	}                                                                                          \
	SEC("fexit/syscall") int program##_fexit(__u64 *context)                                   \
	{                                                                                          \
		return LEAD(probe, program##_over(context[1]));                                    \
	}                                                                                          \
	SEC("fexit/syscall") int program##_fexit_again(__u64 *context)                             \
	{                                                                                          \
		return FOLLOW(probe, program##_over(context[1]));                                  \
	}                                                                                          \
	static __always_inline void program##_over_compat(__u64 *context)                          \
	{                                                                                          \
		struct syscall_exit exit = {.process = known_process(), .is_compat = 1};           \
		if (!exit.process)                                                                 \
			return;                                                                    \
		exit.registers = user_registers();                                                 \
		exit.number = syscall_number();                                                    \
		exit.result = result_returned(context);                                            \
		exit.via = via_compat_answer(exit.process->emulated, exit.result);                 \
		if (exit.number)                                                                   \
			program##_body(&exit);                                                     \
	}                                                                                          \
	SEC("fexit/ia32_sys_call") int program##_compat(__u64 *context)                            \
	{                                                                                          \
		return RUN(program##_over_compat(context));                                        \
	}                                                                                          \
	static __noinline int program##_body(struct syscall_exit *context)

/* How is done what is done in this call, unless by a thread that the kernel has made. */
static __always_inline __u32 via_of(long number)
{
	return number == IO_URING_ENTER ? VIA_IO_URING : 0;
}

/* How is done what is done in the current call. */
static __always_inline __u32 via_now(void)
{
	return via_of(syscall_number());
}

/* Whether the kernel is going to make the call again. */
static __always_inline int is_restarted(long result)
{
	return result <= -ERESTARTSYS && result >= -ERESTART_RESTARTBLOCK;
}

__noinline unsigned long syscall_argument(__u32 index)
{
	struct pt_regs *registers = user_registers();

	if (is_32_bit())
		return compat_argument(registers, number_given(registers), index);
	return IS_PLAIN ? argument_in(registers, index, 1) : argument_in(registers, index, 0);
}

/* An argument, where it is known which kind of call it is, and where its registers are. */
static __always_inline unsigned long argument_at(struct pt_regs *registers, int is_compat,
						 __u32 index)
{
	if (is_compat || !IS_PLAIN)
		return syscall_argument(index);
	return argument_in(registers, index, 1);
}

/* An argument, in a body. */
static __always_inline unsigned long exit_argument(struct syscall_exit *context, __u32 index)
{
	return argument_at(context->registers, context->is_compat, index);
}

/* One of the pointers in the caller's memory at `from`; 0 where it can't be read. */
static __always_inline __u64 pointer_at(__u64 from, __u32 index)
{
	__u64 pointer = 0;

	if (is_32_bit())
		return word_at(from + index * sizeof(__u32));
	bpf_probe_read_user(&pointer, sizeof(pointer), (void *)(from + index * sizeof(pointer)));
	return pointer;
}

#endif
