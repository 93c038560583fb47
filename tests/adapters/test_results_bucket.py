import gzip
import secrets

import pytest

from portico.adapters.results_bucket import PART_BYTES, SIGNED_SECONDS, NdjsonFiles, ResultsBucket
from portico.errors import StorageUnavailable
from portico.retrieval import FHIR_JSON, FHIR_NDJSON, File
from tests.adapters.faults import failing
from tests.backends import Backend
from tests.samples import fresh_id

PATIENT = b'{"resourceType":"Patient","id":"1","birthDate":"1961-04-02"}'


@pytest.fixture
def results(aws: Backend) -> ResultsBucket:
    return ResultsBucket(aws.bucket, secrets.token_bytes)


@pytest.fixture
def prefix() -> str:
    return fresh_id()


def stored(aws: Backend, prefix: str) -> list[str]:
    found = aws.client("s3").list_objects_v2(Bucket=aws.bucket, Prefix=prefix)
    return [row["Key"] for row in found.get("Contents", [])]


def unfinished(aws: Backend) -> list[str]:
    found = aws.client("s3").list_multipart_uploads(Bucket=aws.bucket)
    return [upload["Key"] for upload in found.get("Uploads", [])]


def incompressible(size: int) -> bytes:
    return secrets.token_hex(size // 2).encode()


def large_line(sink: NdjsonFiles) -> bytes:
    """A line that fills more than one part once compressed."""
    line = b'{"resourceType":"DocumentReference","content":"' + incompressible(4 * PART_BYTES) + b'"}'
    sink.write("DocumentReference", line)
    return line


def test_lines_are_filed_by_type_and_read_back_through_a_signed_url(
    aws: Backend, results: ResultsBucket, prefix: str
) -> None:
    sink = results.ndjson_files(prefix)
    sink.write("Patient", PATIENT)
    for n in range(3):
        sink.write("Observation", b'{"resourceType":"Observation","valueDecimal":10.50,"n":%d}' % n)
    patient, observations = sorted(sink.finish(), key=lambda file: file.count)
    assert (patient.type, patient.name, patient.count) == ("Patient", "Patient.ndjson", 1)
    assert (observations.type, observations.name, observations.count) == (
        "Observation",
        "Observation.ndjson",
        3,
    )
    headers, body = aws.download(results.signed_url(patient))
    assert gzip.decompress(body) == PATIENT + b"\n"
    assert headers["content-encoding"] == "gzip"
    assert headers["content-type"] == FHIR_NDJSON
    lines = gzip.decompress(aws.download(results.signed_url(observations))[1]).splitlines()
    assert lines[2] == b'{"resourceType":"Observation","valueDecimal":10.50,"n":2}'


def test_files_lie_under_random_names_that_say_nothing_of_what_is_in_them(
    aws: Backend, results: ResultsBucket, prefix: str
) -> None:
    sink = results.ndjson_files(prefix)
    sink.write("Patient", PATIENT)
    (file,) = sink.finish()
    assert stored(aws, prefix) == [file.key]
    assert file.key.startswith(f"{prefix}/")
    assert "Patient" not in file.key


def test_a_sink_that_was_given_nothing_makes_no_file(
    aws: Backend, results: ResultsBucket, prefix: str
) -> None:
    assert results.ndjson_files(prefix).finish() == []
    assert stored(aws, prefix) == []


def test_a_large_file_goes_up_in_parts_and_reads_back_whole(
    aws: Backend, results: ResultsBucket, prefix: str
) -> None:
    sink = results.ndjson_files(prefix)
    first = large_line(sink)
    assert unfinished(aws) == [key for _, (key, _) in sink._open.items()]
    sink.write("DocumentReference", PATIENT)
    (file,) = sink.finish()
    assert unfinished(aws) == []
    _, body = aws.download(results.signed_url(file))
    assert gzip.decompress(body) == first + b"\n" + PATIENT + b"\n"


def test_discarding_leaves_nothing_of_an_unfinished_sink(
    aws: Backend, results: ResultsBucket, prefix: str
) -> None:
    sink = results.ndjson_files(prefix)
    large_line(sink)
    sink.write("Patient", PATIENT)
    sink.discard()
    assert (stored(aws, prefix), unfinished(aws)) == ([], [])


def test_discarding_leaves_nothing_of_a_finished_sink(
    aws: Backend, results: ResultsBucket, prefix: str
) -> None:
    sink = results.ndjson_files(prefix)
    large_line(sink)
    sink.write("Patient", PATIENT)
    sink.finish()
    sink.discard()
    assert (stored(aws, prefix), unfinished(aws)) == ([], [])


def test_a_part_that_fails_is_told_and_can_be_discarded(
    aws: Backend, results: ResultsBucket, prefix: str, pauses: list[float]
) -> None:
    sink = results.ndjson_files(prefix)
    with failing("s3", "UploadPart", "SlowDown", status=503) as failed, pytest.raises(StorageUnavailable):
        large_line(sink)
    assert len(failed) == 5
    sink.discard()
    assert (stored(aws, prefix), unfinished(aws)) == ([], [])


def test_a_part_that_fails_now_and_then_goes_up_all_the_same(
    aws: Backend, results: ResultsBucket, prefix: str, pauses: list[float]
) -> None:
    sink = results.ndjson_files(prefix)
    with failing("s3", "UploadPart", "InternalError", status=500, times=3):
        line = large_line(sink)
    (file,) = sink.finish()
    assert gzip.decompress(aws.download(results.signed_url(file))[1]) == line + b"\n"


def test_a_completion_that_fails_is_told_and_can_be_discarded(
    aws: Backend, results: ResultsBucket, prefix: str, pauses: list[float]
) -> None:
    sink = results.ndjson_files(prefix)
    large_line(sink)
    with (
        failing("s3", "CompleteMultipartUpload", "ServiceUnavailable", status=503),
        pytest.raises(StorageUnavailable),
    ):
        sink.finish()
    sink.discard()
    assert (stored(aws, prefix), unfinished(aws)) == ([], [])


def test_discarding_goes_on_when_one_file_cannot_be_removed(
    aws: Backend, results: ResultsBucket, prefix: str, pauses: list[float]
) -> None:
    sink = results.ndjson_files(prefix)
    for type_ in ("Patient", "Coverage"):
        sink.write(type_, PATIENT)
    sink.finish()
    with failing("s3", "DeleteObject", "SlowDown", status=503, times=5):
        sink.discard()
    assert len(stored(aws, prefix)) == 1
    results.delete(prefix)


def test_a_single_file_reads_back(aws: Backend, results: ResultsBucket, prefix: str) -> None:
    key = f"{prefix}/bundle"
    writer = results.file(key, FHIR_JSON)
    writer.write(b'{"resourceType":')
    writer.write(b'"Bundle"}')
    writer.close()
    headers, body = aws.download(results.signed_url(File("Bundle", "Bundle.json", key, 1)))
    assert gzip.decompress(body) == b'{"resourceType":"Bundle"}'
    assert headers["content-type"] == FHIR_JSON


def test_a_signed_url_is_good_for_five_minutes(results: ResultsBucket) -> None:
    url = results.signed_url(File("Patient", "Patient.ndjson", "prefix/key", 1))
    assert SIGNED_SECONDS == 300
    assert "X-Amz-Expires=300" in url
    assert "X-Amz-Signature=" in url


def test_deleting_a_prefix_takes_all_of_it_and_nothing_beside_it(
    aws: Backend, results: ResultsBucket, prefix: str
) -> None:
    s3 = aws.client("s3")
    kept = f"{prefix}-not-this/file"
    for key in (*(f"{prefix}/{n}" for n in range(3)), kept):
        s3.put_object(Bucket=aws.bucket, Key=key, Body=b"x")
    assert results.delete(prefix) == 3
    assert stored(aws, prefix) == [kept]
    assert results.delete(prefix) == 0
