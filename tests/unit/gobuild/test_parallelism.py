from goferry.gobuild import resources
from goferry.gobuild._parallelism import choose
from goferry.gobuild.resources import Machine


def test_two_cores_build_two_targets_with_one_compiler_each():
    first, second = choose(2, Machine(2, 8000))
    assert first == second
    assert (first.cpus, first.env) == (1, {"GOMAXPROCS": "1", "GOGC": "off", "GOMEMLIMIT": "512MiB"})


def test_a_lone_target_gets_every_processor():
    (only,) = choose(1, Machine(2, 8000))
    assert only.cpus == 2


def test_the_odd_one_at_the_end_gets_every_processor():
    assert [pace.cpus for pace in choose(3, Machine(2, 8000))] == [1, 1, 2]
    assert [pace.cpus for pace in choose(6, Machine(4, 16000))] == [1, 1, 1, 1, 2, 2]


def test_more_processors_than_targets_are_shared():
    assert [pace.cpus for pace in choose(2, Machine(8, 16000))] == [4, 4]


def test_little_memory_builds_one_at_a_time():
    paces = choose(2, Machine(4, 1000))
    assert [pace.cpus for pace in paces] == [1, 1]
    assert all(pace.memory > 500 for pace in paces)


def test_very_little_memory_keeps_the_garbage_collector():
    (only,) = choose(1, Machine(4, 400))
    assert (only.cpus, only.eager, only.env) == (1, False, {"GOMAXPROCS": "1"})
    assert only.memory <= 400


def test_what_runs_together_fits():
    for cpus in (1, 2, 3, 4, 7, 64):
        for memory in (300, 768, 1500, 4000, 64000):
            for count in (1, 2, 3, 5, 9):
                paces = choose(count, Machine(cpus, memory))
                assert len(paces) == count
                assert all(1 <= pace.cpus <= cpus and pace.memory <= max(memory, 768) for pace in paces)


def test_a_containers_limit_counts_before_the_machines_memory(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 999 kB\nMemAvailable:   8388608 kB\n")
    assert resources.read(tmp_path).memory == 8192
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(f"{2 << 30}\n")
    (group / "memory.current").write_text(f"{1 << 30}\n")
    (group / "memory.stat").write_text(f"anon 1\ninactive_file {512 << 20}\n")
    (group / "cpu.max").write_text("100000 100000\n")
    assert resources.read(tmp_path) == Machine(1, 1536)
    (group / "memory.max").write_text("max\n")
    (group / "cpu.max").write_text("max 100000\n")
    assert resources.read(tmp_path).memory == 8192
