"""Runs the measurements of benches/run, and writes what came out."""

import argparse
import contextlib
import csv
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import time

import report
from host import ACCOUNT, Auditd, Bpftrace, Host, Nobody, Recorderd, patiently, settle

ROUNDS = 3
# How often bare and ours follow each other in a round, and each loop itself.
PAIRS = 3
TIMES = 2
LOOPS = {"commands": 1000, "opens": 70_000, "connects": 10_000, "calls": 700_000}
FREE = "commands on any processor"
# Peers take much longer per open.
PEER_LOOPS = {"commands": 500, "opens": 7_000, "connects": 4_000}


def on(which, command):
    """A command that is held on the first processor (`min`), or on the last (`max`)."""
    return ["taskset", "-c", str(which(os.sched_getaffinity(0))), *command]


class Results:
    """What was measured: a row for each single run."""

    def __init__(self):
        self.rows = []

    def add(self, section, work, mode, value, unit):
        self.rows.append((section, work, mode, value, unit))
        print(f"{section}\t{work}\t{mode}\t{value:.6g} {unit}", flush=True)


class Bench:
    def __init__(self, arguments):
        self.binary = arguments.recorderd
        self.json = arguments.json
        self.rounds = arguments.rounds
        self.results = Results()
        self.host = Host(arguments.load)
        self.load = str(self.host.load)
        self.make_project()

    def close(self):
        self.host.close()

    def recorder(self, config=""):
        return Recorderd(self.host, self.binary, config)

    # Work

    def loop(self, work, count):
        return [self.load, work, str(count)]

    def held(self, work, count):
        """The same on one processor: among several, where the system puts a command makes its times
        spread twice as far."""
        return on(max, self.loop(work, count))

    def in_session(self, work, count):
        """Nanoseconds for each turn of a loop in a login."""
        done = self.host.ssh("; ".join([" ".join(self.held(work, count))] * TIMES))
        return [int(line) / count for line in done.stdout.splitlines()]

    def make_project(self):
        """A small C project, a tree of files, and a repository, for real work."""
        folder = self.host.folder / "project"
        folder.mkdir()
        for index in range(24):
            body = "".join(
                f"int f{index}_{part}(int x) {{ return printf(\"%d\", x + {part}); }}\n"
                for part in range(40)
            )
            (folder / f"part{index}.c").write_text("#include <stdio.h>\n" + body)
        (folder / "main.c").write_text("int main(void) { return 0; }\n")
        objects = " ".join(f"part{index}.o" for index in range(24)) + " main.o"
        (folder / "Makefile").write_text(
            f"program: {objects}\n\tgcc -o $@ $^\nclean:\n\trm -f program *.o\n"
        )
        tree = self.host.folder / "tree"
        subprocess.run(["cp", "-r", "/usr/include/linux", tree], check=True)
        git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
        for words in ["init", "-q"], ["add", "."], ["commit", "-qm", "tree"]:
            subprocess.run([*git, "-C", tree, *words], check=True)
        subprocess.run(["chown", "-R", ACCOUNT, folder, tree], check=True)

    def real_work(self):
        base = self.host.folder
        return {
            "tar": f"for i in 1 2 3 4 5; do tar -C {base} -cf - tree | cat > /dev/null; done",
            "find -exec": f"find {base}/tree/netfilter* -type f -exec /bin/true {{}} \\;",
            "parallel build": f"make -s -C {base}/project clean && make -s -j2 -C {base}/project",
            "git clone": f"git clone -q {base}/tree /tmp/bench-clone-$$; "
            "rm -rf /tmp/bench-clone-$$",
        }

    # Measurements

    def loops(self):
        """Recorded loops and real work: bare, ours and peers in turn."""
        peers = {"auditd": lambda: Auditd(self.host), "bpftrace": lambda: Bpftrace(self.host)}
        for turn in range(self.rounds):
            for pair in range(PAIRS):
                for name, recorder in self.ours(pair):
                    self.recorded(name, recorder, LOOPS)
                    if pair == 0:
                        self.real(name, recorder)
            for name in list(peers):
                try:
                    recorder = peers[name]()
                except (RuntimeError, TimeoutError, OSError) as error:
                    print(f"{name} does not work here: {error}")
                    del peers[name]
                    continue
                with contextlib.closing(recorder):
                    self.recorded(name, recorder, PEER_LOOPS)
                    self.real(name, recorder)

    def outside(self):
        """Loops and a server that are in no session, with nobody logged in, and with somebody."""
        for turn in range(self.rounds * 2):
            # They take as long as all loops.
            servers = turn < self.rounds
            for name, recorder in self.ours(turn):
                recorder.be_quiet()
                self.beside("outside", name, servers)
                with self.somebody():
                    self.beside("beside", name, servers)

    def ours(self, turn):
        """Bare and ours, close to each other as a machine is not the same for long; neither is always
        the first."""
        pair = [("bare", lambda: Nobody(self.host)), ("recorderd", self.recorder)]
        for name, start in reversed(pair) if turn % 2 else pair:
            with contextlib.closing(start()) as recorder:
                yield name, recorder

    @contextlib.contextmanager
    def somebody(self):
        """A login that does nothing."""
        with subprocess.Popen(
            self.host.session("echo; cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as login:
            login.stdout.readline()
            yield
            login.stdin.close()

    def beside(self, section, name, servers):
        for work, count in LOOPS.items():
            command = self.held(work, count)
            for _ in range(TIMES):
                value = int(subprocess.check_output(command)) / count
                self.results.add(section, work, name, value, "ns")
        if servers:
            self.redis(section, name)

    def recorded(self, name, recorder, loops):
        for work in PEER_LOOPS:
            for value in self.in_session(work, loops[work]):
                self.results.add("loop", work, name, value, "ns")
            settle(recorder)
        count = loops["commands"]
        done = self.host.ssh(" ".join(self.loop("commands", count)))
        self.results.add("loop", FREE, name, int(done.stdout) / count, "ns")
        settle(recorder)

    def real(self, name, recorder):
        for work, command in self.real_work().items():
            start = time.monotonic()
            self.host.ssh(command)
            self.results.add("real", work, name, time.monotonic() - start, "s")
            settle(recorder)

    def redis(self, section, name):
        with subprocess.Popen(
            on(min, ["redis-server", "--port", "0", "--unixsocket", f"{self.host.folder}/redis",
                     "--save", "", "--appendonly", "no"]),
            stdout=subprocess.DEVNULL,
        ) as server:
            socket = self.host.folder / "redis"
            patiently("redis", socket.exists)
            done = subprocess.run(
                on(max, ["redis-benchmark", "-s", socket, "-t", "get,set", "-n", "60000",
                         "-c", "50", "--csv"]),
                check=True, capture_output=True, text=True,
            )
            server.terminate()
        for line in done.stdout.splitlines()[1:]:
            test, rate = line.replace('"', "").split(",")[:2]
            self.results.add(section, f"redis {test}", name, 1e9 / float(rate), "ns")

    def burst(self):
        """As many opens as so many producers can make; what of them is in the log."""
        count = 300_000
        for producers in 1, 2, 4:
            recorder = self.recorder()
            try:
                cpu = recorder.cpu()
                command = self.host.session(" ".join(self.loop("opens", count)))
                running = [
                    subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
                    for _ in range(producers)
                ]
                longest = max(int(process.communicate()[0]) for process in running)
                ends = recorder.wait_for_ends(producers)
                written = sum(end["events"]["disk"] for end in ends)
                lost = sum(end["losses"]["disk"] for end in ends)
                work = f"{producers} producers"
                add = self.results.add
                add("burst", work, "opens per second", producers * count / longest * 1e9, "")
                add("burst", work, "written", written, "")
                add("burst", work, "lost", lost, "")
                add("burst", work, "daemon per event", (recorder.cpu() - cpu) / written, "ns")
                add("burst", work, "memory", recorder.status("RssAnon"), "KiB")
                size = os.stat(recorder.log()).st_size
                lines = int(subprocess.check_output(["wc", "-l", recorder.log()]).split()[0])
                add("burst", work, "log per event", size / lines, "bytes")
            finally:
                recorder.close()

    def overload(self):
        """How soon a session's shell answers while another one makes as many opens as it can."""
        sizes = "".join(f"{ring}_buffer_size: 8\n" for ring in ("command", "disk", "network"))
        for turn in range(self.rounds):
            for policy in "drop", "throttle":
                recorder = self.recorder(f"overload: {policy}\n{sizes}")
                try:
                    self.answers(f"alone, {policy}")
                    noise = self.host.session(" ".join(self.loop("opens", 1_000_000_000)))
                    noises = [
                        subprocess.Popen(noise, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
                        for _ in range(2)
                    ]
                    time.sleep(2)
                    self.answers(f"beside noise, {policy}")
                    subprocess.run(["pkill", "-KILL", "-f", f"^{self.load} opens"], check=True)
                    for process in noises:
                        process.communicate()
                    for end in recorder.wait_for_ends(4):
                        lost = sum(end["losses"].values())
                        self.results.add("overload", "all sessions", f"lost, {policy}", lost, "")
                finally:
                    recorder.close()

    def answers(self, name):
        """Times from a line that is requested to what its command prints."""
        times = []
        with subprocess.Popen(
            self.host.session("bash"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as shell:
            for turn in range(101):
                start = time.monotonic_ns()
                print("/bin/echo", file=shell.stdin, flush=True)
                shell.stdout.readline()
                # The first one waits for the login.
                if turn:
                    times.append(time.monotonic_ns() - start)
                time.sleep(0.02)
            shell.stdin.close()
        self.results.add("overload", "answer", name, statistics.median(times), "ns")
        self.results.add("overload", "slowest of 100 answers", name, max(times), "ns")

    def command_cost(self):
        """What a command costs the daemon: the program is static and opens nothing."""
        for turn in range(self.rounds):
            for size in 1, 65536:
                recorder = self.recorder()
                try:
                    # The login itself, with all it opens, is told apart by a login without work.
                    self.host.ssh("true")
                    recorder.wait_for_ends(1)
                    before = recorder.cpu()
                    self.host.ssh("true")
                    recorder.wait_for_ends(2)
                    login = recorder.cpu() - before
                    count = 3000 if size == 1 else 500
                    before = recorder.cpu()
                    done = self.host.ssh(f"{self.load} commands {count} {size}")
                    recorder.wait_for_ends(3)
                    cost = (recorder.cpu() - before - login) / count
                    self.results.add("cost", f"argv of {size} bytes", "daemon", cost, "ns")
                    self.results.add(
                        "cost", f"argv of {size} bytes", "loop", int(done.stdout) / count, "ns"
                    )
                finally:
                    recorder.close()

    def profile(self):
        """What each program takes of a turn, as the kernel counts it; the counting is in it."""
        switch = pathlib.Path("/proc/sys/kernel/bpf_stats_enabled")
        switch.write_text("1")
        recorder = self.recorder()
        try:
            self.host.ssh("true")
            recorder.wait_for_ends(1)
            for work in PEER_LOOPS:
                before = self.programs()
                count = PEER_LOOPS[work] * len(self.in_session(work, PEER_LOOPS[work]))
                for name, (times, runs) in self.programs().items():
                    times, runs = times - before[name][0], runs - before[name][1]
                    # Of the login itself, there are some.
                    if runs > count / 10:
                        self.results.add("profile", f"{name}, {work}", "runs", runs / count, "")
                        self.results.add("profile", f"{name}, {work}", "time", times / count, "ns")
        finally:
            recorder.close()
            switch.write_text("0")

    def programs(self):
        """Of each BPF program that is loaded, nanoseconds and runs."""
        shown = subprocess.check_output(["bpftool", "--json", "prog", "show"])
        return {
            program["name"]: (program.get("run_time_ns", 0), program.get("run_cnt", 0))
            for program in json.loads(shown) if "name" in program
        }

    def start(self):
        """From exec to ready, and what an idle daemon takes."""
        for turn in range(self.rounds * 2):
            recorder = self.recorder()
            self.results.add("start", "exec to ready", "recorderd", recorder.start_seconds, "s")
            self.results.add("start", "peak", "recorderd", recorder.status("VmHWM"), "KiB")
            recorder.close()
        recorder = self.recorder()
        time.sleep(2)
        switches = recorder.status("voluntary_ctxt_switches")
        time.sleep(10)
        switches = recorder.status("voluntary_ctxt_switches") - switches
        self.results.add("idle", "wake-ups per second", "recorderd", switches / 10, "")
        self.results.add("idle", "memory", "recorderd", recorder.status("RssAnon"), "KiB")
        recorder.close()
        for name in sorted(pathlib.Path(self.binary).parent.glob("recorderd-*")):
            if name.suffix == "":
                self.results.add("size", name.name, "recorderd", name.stat().st_size, "bytes")

    def guest(self):
        """Both plans, counted in instructions of a virtual machine."""
        done = subprocess.run(
            ["benches/guest", self.binary, self.load], check=True, stdout=subprocess.PIPE, text=True
        )
        for line in done.stdout.splitlines():
            plan, where, work, count = line.split()
            self.results.add(f"guest, {where}", work, plan, float(count), "instructions")

    def many(self):
        """Sessions that are there and do nothing, beside one that works."""
        uid = subprocess.check_output(["id", "-u", ACCOUNT], text=True).strip()
        for sessions in 1, 100, 10_000:
            recorder = self.recorder()
            try:
                crowd = subprocess.Popen(
                    [self.load, "logins", str(sessions - 1), uid], start_new_session=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                )
                crowd.stdout.readline()
                # What each opened at its birth is written, three seconds later at the most.
                time.sleep(5)
                work = f"{sessions} sessions"
                self.results.add("many", work, "memory", recorder.status("RssAnon"), "KiB")
                for turn in range(3):
                    before = recorder.cpu()
                    loop = statistics.median(self.in_session("opens", LOOPS["opens"]))
                    end = recorder.wait_for_ends(turn + 1)[-1]
                    cost = (recorder.cpu() - before) / end["events"]["disk"]
                    self.results.add("many", work, "loop", loop, "ns")
                    self.results.add("many", work, "daemon per event", cost, "ns")
                    self.results.add("many", work, "lost", end["losses"]["disk"], "")
                crowd.stdin.close()
                crowd.wait()
            finally:
                recorder.close()

    def seal(self):
        """What sealing a line of 500 bytes costs, and how fast a log is verified; in memory."""
        count = 400_000
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
            for turn in range(self.rounds):
                cost = {}
                for work in ("plain", "seal"):
                    place = f"{folder}/{work}-{turn}"
                    taken = subprocess.check_output(on(max, [self.load, work, place, str(count)]))
                    cost[work] = int(taken) / count
                self.results.add("seal", "a line", "recorderd", cost["seal"] - cost["plain"], "ns")
                size = sum(file.stat().st_size for file in pathlib.Path(place).rglob("20*.log"))
                start = time.monotonic()
                verify = [self.binary, "verify", "--log", place, "--key", f"{place}/seal.pub"]
                subprocess.run(on(max, verify), check=True, stdout=subprocess.DEVNULL)
                speed = size / 1e6 / (time.monotonic() - start)
                self.results.add("seal", "verify", "recorderd", speed, "MB/s")
                shutil.rmtree(place)
                shutil.rmtree(f"{folder}/plain-{turn}")

    def lines(self):
        """What a line of JSON costs, in time and in instructions: as built, and built for speed."""
        units = {"ns": 1, "µs": 1000, "ms": 1e6}
        for program, made in zip(self.json, ("", ", all for speed")):
            done = subprocess.run(
                [program, "--bench", "--warm-up-time", "0.5", "--measurement-time", "1"],
                check=True, capture_output=True, text=True,
            )
            found = re.findall(r"(\w+)/(\w+)\s+time:\s+\[\S+ \S+ (\S+) (\S+)", done.stdout)
            for event, who, value, unit in found:
                self.results.add("json", event + made, who, float(value) * units[unit], "ns")
            for event in "command", "network":
                for who in "own", "serde":
                    few, many = (
                        self.instructions(program, event, who, count) for count in (1000, 3000)
                    )
                    name = {"own": "own", "serde": "serde_json"}[who]
                    self.results.add("instructions", event + made, name, (many - few) / 2000, "")

    def instructions(self, program, event, who, count):
        with open(self.host.folder / "callgrind", "w+") as out:
            subprocess.run(
                ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out.name}",
                 program, "count", event, who, str(count)],
                check=True, capture_output=True, text=True,
            )
            return int(re.search(r"^summary: (\d+)", out.read(), re.M).group(1))


def main():
    parser = argparse.ArgumentParser()
    for name in "recorderd", "load":
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--json", required=True, nargs=2, help="as built, and built for speed")
    parser.add_argument("--results", required=True, type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", nargs="*", help="measurements to make, instead of all")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    try:
        # Overload takes a minute, and is measured by itself.
        for name in arguments.only or ["lines", "start", "loops", "outside", "burst", "command_cost", "profile", "many", "guest"]:
            getattr(bench, name)()
    finally:
        bench.close()
    with open(arguments.results / "raw.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["section", "work", "mode", "value", "unit"])
        writer.writerows(bench.results.rows)
    report.write(arguments.results, bench.results.rows)


if __name__ == "__main__":
    main()
