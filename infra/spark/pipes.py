"""Dagster jobs that have assets of a study made by Spark in AWS, through the Pipes clients of dagster-aws.

Load it beside the platform, with AWS_DEFAULT_REGION set:
`dagster dev -m ratings_platform.definitions -f infra/spark/pipes.py`. The names below are yours to change.
"""

import boto3
import dagster as dg
from dagster_aws.pipes import PipesEMRClient, PipesEMRServerlessClient, PipesS3MessageReader

from ratings_platform.studies.market_study.study import STUDY

BUCKET, ROLE, SERVERLESS_APPLICATION = "my-bucket", "arn:aws:iam::123456789012:role/ratings-spark", "00f1abcdefghij2k"
CODE = f"s3://{BUCKET}/code"
# Silver, gold and the answers; raw and bronze tables are made where the vendor files are.
ARGUMENTS = [STUDY.name, *(f"--only={model.table.path}" for model in (*STUDY.models, *STUDY.questions))]
SETTINGS = {
    "RATINGS_HOME": "/tmp/ratings",  # noqa: S108
    "RATINGS_LAKE": f"s3://{BUCKET}/lake",
    "PYSPARK_PYTHON": "./environment/bin/python",
    "PYSPARK_DRIVER_PYTHON": "./environment/bin/python",
}


@dg.op
def on_emr_serverless(context: dg.OpExecutionContext, emr_serverless: PipesEMRServerlessClient) -> None:
    options = {f"spark.emr-serverless.driverEnv.{name}": value for name, value in SETTINGS.items()}
    options |= {"spark.executorEnv.PYSPARK_PYTHON": SETTINGS["PYSPARK_PYTHON"]}
    options |= {"spark.archives": f"{CODE}/environment.tar.gz#environment", "spark.executor.memory": "8g"}
    emr_serverless.run(
        context=context,
        start_job_run_params={
            "applicationId": SERVERLESS_APPLICATION,
            "executionRoleArn": ROLE,
            "clientToken": context.run_id,
            "jobDriver": {
                "sparkSubmit": {
                    "entryPoint": f"{CODE}/submit.py",
                    "entryPointArguments": ARGUMENTS,
                    "sparkSubmitParameters": " ".join(f"--conf {name}={value}" for name, value in options.items()),
                }
            },
            "configurationOverrides": {
                "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"s3://{BUCKET}/logs/"}}
            },
        },
    )


@dg.op
def on_emr(context: dg.OpExecutionContext, emr: PipesEMRClient) -> None:
    """On a cluster of its own, which ends with the job."""
    options = {f"spark.yarn.appMasterEnv.{name}": value for name, value in SETTINGS.items()}
    options |= {"spark.archives": f"{CODE}/environment.tar.gz#environment"}
    confs = [part for name, value in options.items() for part in ("--conf", f"{name}={value}")]
    emr.run(
        context=context,
        run_job_flow_params={
            "Name": "ratings-platform",
            "ReleaseLabel": "emr-spark-8.0.0",
            "Applications": [{"Name": "Spark"}],
            "LogUri": f"s3://{BUCKET}/logs/",
            "JobFlowRole": "EMR_EC2_DefaultRole",
            "ServiceRole": "EMR_DefaultRole",
            "Instances": {
                "MasterInstanceType": "m6g.xlarge",
                "SlaveInstanceType": "m6g.2xlarge",
                "InstanceCount": 5,
                "KeepJobFlowAliveWhenNoSteps": False,
            },
            "Steps": [
                {
                    "Name": "ratings-platform",
                    "ActionOnFailure": "TERMINATE_CLUSTER",
                    "HadoopJarStep": {
                        "Jar": "command-runner.jar",
                        "Args": [
                            *("spark-submit", "--deploy-mode", "cluster", *confs),
                            *(f"{CODE}/submit.py", *ARGUMENTS),
                        ],
                    },
                }
            ],
        },
    )


@dg.job
def spark_on_emr_serverless() -> None:
    on_emr_serverless()


@dg.job
def spark_on_emr() -> None:
    on_emr()


@dg.definitions
def defs() -> dg.Definitions:
    messages = PipesS3MessageReader(bucket=BUCKET, client=boto3.client("s3"))
    return dg.Definitions(
        jobs=[spark_on_emr_serverless, spark_on_emr],
        resources={
            "emr_serverless": PipesEMRServerlessClient(message_reader=messages),
            "emr": PipesEMRClient(message_reader=messages),
        },
    )
