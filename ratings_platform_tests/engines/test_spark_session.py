"""What Spark is told when it is started, and what people are told when it cannot be."""

from __future__ import annotations

from pathlib import Path

import pyspark
import pytest
from pyspark.errors import PySparkException

from ratings_platform.engines.spark_faults import spark_faults
from ratings_platform.engines.spark_session import defaults, placed, require_java, require_spark
from ratings_platform.schema.errors import PlatformError

pytestmark = pytest.mark.unit


def program(folder: Path, told: str) -> str:
    """A program that says of itself what a Java says."""
    made = folder / "java"
    made.write_text(f"#!/bin/sh\necho '{told}' >&2\n", encoding="utf-8")
    made.chmod(0o755)
    return str(made)


@pytest.mark.parametrize("told", ['openjdk version "17.0.15" 2025-04-15', 'java version "21" 2023-09-19 LTS'])
def test_a_java_that_is_new_enough_will_do(tmp_path: Path, told: str) -> None:
    require_java(program(tmp_path, told))


@pytest.mark.parametrize(
    ("told", "found"),
    [('java version "1.8.0_402"', "Java 8"), ('openjdk version "11.0.22"', "Java 11"), ("hello", "something else")],
)
def test_another_is_refused_with_its_place_and_a_remedy(tmp_path: Path, told: str, found: str) -> None:
    with pytest.raises(PlatformError) as caught:
        require_java(program(tmp_path, told))
    assert str(caught.value).startswith(f"{tmp_path}/java: Spark needs Java 17 or later, and this is {found}. Install")


@pytest.mark.parametrize("name", ["no-such-java", "/nowhere/bin/java"])
def test_none_is_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(PlatformError, match=r"Spark needs Java 17 or later, and there is none\. .*JAVA_HOME"):
        require_java(name)


@pytest.mark.parametrize("named", ["bin", "bin/java"])
def test_a_java_home_too_far_down_is_told(tmp_path: Path, named: str) -> None:
    (tmp_path / "bin").mkdir()
    program(tmp_path / "bin", 'openjdk version "17.0.15" 2025-04-15')
    with pytest.raises(PlatformError) as caught:
        require_java(f"{tmp_path}/{named}/bin/java")
    assert str(caught.value) == (
        f"{tmp_path}/{named}/bin/java: Spark needs Java 17 or later, and there is none. "
        f"JAVA_HOME is to name the folder above bin: {tmp_path}"
    )


def spark(folder: Path, version: str) -> Path:
    """A folder that looks like a Spark of a version."""
    for file in ("bin/spark-submit", f"jars/spark-core_2.13-{version}.jar"):
        (folder / file).parent.mkdir(parents=True)
        (folder / file).touch()
    return folder


def test_the_spark_that_comes_along_will_do(tmp_path: Path) -> None:
    require_spark(Path(pyspark.__file__).parent)
    require_spark(spark(tmp_path, f"{pyspark.__version__}-vendor-1"))


def test_a_spark_home_without_spark_is_told(tmp_path: Path) -> None:
    with pytest.raises(PlatformError) as caught:
        require_spark(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: SPARK_HOME names no Spark: there is no bin/spark-submit. "
        f"Unset it, since Spark {pyspark.__version__} comes with the platform, or name one of that version."
    )


def test_a_spark_home_of_another_version_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        PlatformError, match=r"SPARK_HOME names Spark 3\.5\.1, which cannot be used from here\. Unset it"
    ):
        require_spark(spark(tmp_path, "3.5.1"))


def test_a_folder_with_quotes_reaches_java_whole(tmp_path: Path) -> None:
    options = placed({}, "1GB", tmp_path / 'a "b" \\c')
    assert options["spark.driver.extraJavaOptions"] == f'"-Djava.io.tmpdir={tmp_path}/a \\"b\\" \\\\c"'


def test_spark_on_this_machine_keeps_to_the_memory_limit_and_to_its_folder(tmp_path: Path) -> None:
    options = placed({}, "2.5GB", tmp_path)
    assert options["spark.master"] == "local[*]"
    assert options["spark.driver.memory"] == "2384m"
    assert options["spark.driver.bindAddress"] == "127.0.0.1"
    assert options["spark.local.dir"].startswith(str(tmp_path))
    assert defaults(tmp_path)["spark.sql.warehouse.dir"].startswith(f"file://{tmp_path}")
    assert placed({"spark.master": "local[3]"}, "1GiB", tmp_path)["spark.driver.memory"] == "1024m"
    assert placed({}, "10MB", tmp_path)["spark.driver.memory"] == "512m", "less does not start"
    assert placed({"spark.driver.memory": "9g"}, "1GB", tmp_path)["spark.driver.memory"] == "9g"


def test_a_cluster_keeps_its_own_memory_and_places(tmp_path: Path) -> None:
    options = placed({"spark.master": "spark://host:7077"}, "2.5GB", tmp_path)
    assert options.keys() == {"spark.master", "spark.driver.extraJavaOptions"}
    assert options["spark.master"] == "spark://host:7077"


def test_options_for_java_are_kept_beside_ours(tmp_path: Path) -> None:
    options = placed({"spark.driver.extraJavaOptions": "-Dx=y"}, "1GB", tmp_path)
    assert options["spark.driver.extraJavaOptions"] == f'"-Djava.io.tmpdir={tmp_path}" -Dx=y'


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "An error occurred while calling o1.x.\n: org.apache.spark.SparkException: Job aborted.\n\tat a.b(C)\n"
            "Caused by: java.io.IOException: No space left on device\n\tat c.d(E.java:2)",
            "the disk is full: silver/ratings could not be written",
        ),
        (
            "Job aborted due to stage failure: Task 0\nCaused by: java.lang.OutOfMemoryError: Java heap space",
            "Spark ran out of memory over silver/ratings",
        ),
    ],
)
def test_faults_that_a_person_can_mend_are_told_apart(tmp_path: Path, words: str, told: str) -> None:
    (tmp_path / "half" / "written").mkdir(parents=True)
    with pytest.raises(PlatformError, match=told) as caught, spark_faults("silver/ratings", str(tmp_path), "half"):
        raise PySparkException(words)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "half").exists()
