"""The rehearsal of a scenario that makes its source itself, in another region than its target."""

from pathlib import Path

from tests.rehearsal.person import rehearsal, report_of
from tests.rehearsal.test_rehearse import passwords, where_shown


def test_a_stack_that_makes_its_source_in_another_region_is_rehearsed_the_same(tmp_path: Path) -> None:
    size = ("--rows", "5000", "--seconds", "5", "--rate", "200")
    with rehearsal(tmp_path, "--stack-config", "examples/payments.yaml", *size) as run:
        run.await_phase("switchover")
        assert run.instance
        secrets = passwords(run.instance, "eu-central-1", "eu-west-1")
        ended = run.end()
        assert ended.status == 0, ended.out + ended.err
        report = report_of(run)
        assert (report["lost_writes"], report["duplicated_writes"]) == (0, 0) and report["acknowledged_writes"] > 200
        validation = report["validation"]
        assert (validation["tables"], validation["mismatches"]) == (29, 0)
        assert report["writable_sides"]["both_instants"] == 0
        assert validation["rows"] > report["rows_loaded"] > 4_000
        assert report["fail_back"]["status"] == "SUCCEEDED"
        assert report["source_version"].startswith("16") and report["target_version"].startswith("18")
        phases = list(report["phases"])
        assert phases.index("deploy") < phases.index("fill the source") and phases[-1] == "destroy"
        assert len(secrets) == 8, "two superusers, two administrators, DMS on each side, one application, a passphrase"
        assert where_shown(run, ended, secrets) == set()
        assert run.left() == []
