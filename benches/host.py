"""A host to measure on: sshd on loopback, and one recorder at a time."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ACCOUNT = "recorded-one"
PATIENCE = 60  # seconds


class Host:
    """The server, its keys, and a folder for all that goes with it."""

    def __init__(self, load):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="recorderd-bench-"))
        self.folder.chmod(0o755)
        self.load = self.folder / "load"
        shutil.copy(load, self.load)
        for key in "key", "host_key":
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / key], check=True
            )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        config = self.folder / "sshd_config"
        config.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host_key\n"
            f"AuthorizedKeysFile {self.folder}/key.pub\nStrictModes no\nUsePAM yes\n"
            "PermitRootLogin yes\nPidFile none\nMaxStartups 100\n"
        )
        os.makedirs("/run/sshd", exist_ok=True)
        self.sshd = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", config], stderr=subprocess.DEVNULL
        )
        patiently("sshd", lambda: self.ssh("true", check=False).returncode == 0)

    def session(self, command):
        """The command line that runs a command in a login."""
        return [
            "ssh", "-F", "none", "-p", str(self.port), "-i", str(self.folder / "key"),
            "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
            f"{ACCOUNT}@127.0.0.1", command,
        ]

    def ssh(self, command, check=True):
        return subprocess.run(
            self.session(command), check=check, capture_output=True, text=True,
            stdin=subprocess.DEVNULL,
        )

    def close(self):
        self.sshd.terminate()
        self.sshd.wait()
        shutil.rmtree(self.folder)


class Nobody:
    """No recorder at all."""

    def __init__(self, host):
        self.host = host

    def be_quiet(self):
        pass

    def close(self):
        pass


class Recorderd:
    """The daemon, and its log."""

    def __init__(self, host, binary, config=""):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=host.folder))
        path = self.folder / "config.yaml"
        path.write_text(f"data_dir: {self.folder}\ncgroup_path: {cgroup()}\n{config}")
        start = time.monotonic()
        self.process = subprocess.Popen(
            [binary, "--config", path], stderr=subprocess.PIPE, text=True
        )
        for line in self.process.stderr:
            if line.startswith("ready"):
                break
        self.start_seconds = time.monotonic() - start
        self.port = f"127.0.0.1:{host.port}"

    def be_quiet(self):
        """Waits until it has seen nobody for a while, and has let go of what makes calls slower."""
        patiently("nobody", lambda: not self.is_hooked())

    def is_hooked(self):
        for file in pathlib.Path(f"/proc/{self.process.pid}/fdinfo").iterdir():
            # The recorder may close one meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if "tp_name:\tsys_exit\n" in file.read_text():
                    return True
        return False

    def status(self, key):
        """A line of /proc/PID/status, as a number."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(key + ":"):
                return int(line.split()[1])
        raise KeyError(key)

    def cpu(self):
        """Nanoseconds of processor time so far."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0])

    def log(self):
        return next(self.folder.glob("log/*/events.log"), None)

    def ends(self):
        """session.end of every login to the server, in order."""
        log = self.log()
        if log is None:
            return []
        lines = subprocess.run(
            ["grep", "-aE", '"event":"session\\.(start|end)"', log], capture_output=True, text=True
        ).stdout.splitlines()
        lines = [json.loads(line) for line in lines]
        ours = {line["sid"] for line in lines if line.get("addr.local") == self.port}
        return [l for l in lines if l["event"] == "session.end" and l["sid"] in ours]

    def wait_for_ends(self, count):
        patiently("the end of a session", lambda: len(self.ends()) >= count)
        return self.ends()

    def close(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


class Auditd:
    """The audit daemon, with rules for what the sessions of accounts do."""

    def __init__(self, host):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=host.folder))
        (self.folder / "auditd.conf").write_text(
            f"log_file = {self.folder}/audit.log\nlog_format = RAW\nflush = NONE\n"
            "max_log_file = 8192\nmax_log_file_action = ignore\nspace_left = 75\n"
            "space_left_action = ignore\nadmin_space_left = 50\nadmin_space_left_action = ignore\n"
            "disk_full_action = ignore\ndisk_error_action = ignore\nwrite_logs = yes\n"
            "local_events = yes\n"
        )
        self.folder.chmod(0o750)
        for name in "auditd.conf",:
            (self.folder / name).chmod(0o640)
        self.process = subprocess.Popen(
            ["/sbin/auditd", "-n", "-c", self.folder],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        time.sleep(1)
        machine = "b64"
        calls = ["execve", "execveat", "openat", "openat2", "connect"]
        if os.uname().machine == "x86_64":
            calls += ["open", "creat"]
        # The daemon takes a moment to register.
        patiently("auditd", lambda: self.process.poll() is None and audit("-s") is not None)
        audit("-D")
        audit("-b", "8192")
        audit("-e", "1")
        rule = ["-a", "always,exit", "-F", f"arch={machine}"]
        for call in calls:
            rule += ["-S", call]
        if audit(*rule, "-F", "auid>=1000", "-F", "auid!=unset") is None:
            raise RuntimeError("auditctl refused the rule")

    def close(self):
        audit("-D")
        audit("-e", "0")
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder)


class Bpftrace:
    """Two one-liners, as one would type them."""

    PROGRAM = (
        'tracepoint:sched:sched_process_exec { printf("%d %s\\n", pid, str(args->filename)); } '
        'tracepoint:syscalls:sys_enter_openat { printf("%d %s\\n", pid, str(args->filename)); }'
    )

    def __init__(self, host):
        self.output = tempfile.TemporaryFile(dir=host.folder)
        self.errors = tempfile.TemporaryFile(dir=host.folder)
        # A tracefs of its own, where the host has none mounted.
        command = "mount -t tracefs none /sys/kernel/tracing 2>/dev/null; exec bpftrace -e \"$0\""
        self.process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", command, self.PROGRAM],
            stdout=self.output, stderr=self.errors, env={**os.environ, "BPFTRACE_STRLEN": "200"},
        )
        patiently("bpftrace", self.attached)

    def attached(self):
        if self.process.poll() is not None:
            self.errors.seek(0)
            raise RuntimeError(self.errors.read().decode(errors="replace").strip()[-300:])
        self.output.flush()
        return os.fstat(self.output.fileno()).st_size > 0

    def close(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


def settle(recorder):
    """Waits until it has written what was before, and that is on the disk."""
    if hasattr(recorder, "process"):
        schedstat = pathlib.Path(f"/proc/{recorder.process.pid}/schedstat")

        def rests():
            before = int(schedstat.read_text().split()[0])
            time.sleep(0.2)
            return int(schedstat.read_text().split()[0]) - before < 2_000_000

        patiently("an idle recorder", rests)
    os.sync()


def audit(*words):
    done = subprocess.run(["/sbin/auditctl", *words], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else None


def cgroup():
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] == "cgroup2":
            return fields[1]
    return "/cgroup2"


def patiently(what, ask):
    start = time.monotonic()
    while not ask():
        if time.monotonic() - start > PATIENCE:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.05)
