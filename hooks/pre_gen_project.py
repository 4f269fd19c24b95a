"""Reject answers from which no working project can be baked, before Cookiecutter writes a file.

It reports all errors at once.
"""

import keyword
import sys
import unicodedata

LOWER, DIGITS = set("abcdefghijklmnopqrstuvwxyz"), set("0123456789")
RESERVED_BY_WINDOWS = {"con", "prn", "aux", "nul"} | {
    port + digit for port in ("com", "lpt") for digit in DIGITS
}
# With the modules that Python 3.11 and 3.12 still have.
STANDARD_LIBRARY = sys.stdlib_module_names | set(
    "aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3"
    " mailcap msilib nis nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu"
    " xdrlib".split()
)
# Packages in the locks of the baked project, by the names of distributions and of modules.
DEPENDENCIES = set(
    "adbc_driver_duckdb alembic annotated_doc annotated_types anyio arrow ast_serialize"
    " atpublic attr attrs boolean boolean_py cachecontrol cachetools certifi cffi cfgv chardet"
    " charset_normalizer click cloudpickle colorama contourpy cryptography cycler cyclonedx"
    " cyclonedx_bom cyclonedx_py cyclonedx_python_lib databricks databricks_sdk dateutil"
    " defusedxml detect_secrets distlib dotenv duckdb fastapi filelock flatbuffers flit_core"
    " fonttools fqdn git gitdb gitpython google google_auth googleapis_common_protos graphql"
    " graphql_core greenlet grimp h11 harfile httpcore httpcore2 httptools httpx httpx2"
    " httpx2_jsfetch hypothesis hypothesis_graphql ibis ibis_framework identify idna"
    " import_linter importlib_metadata importlinter iniconfig isoduration joblib jwt"
    " jsonpointer jsonschema jsonschema_rs jsonschema_specifications kiwisolver lark librt"
    " license_expression lxml mako markdown_it markdown_it_py markupsafe matplotlib mdurl"
    " ml_dtypes mlflow mlflow_skinny mlprod mpl_toolkits msgpack mypy mypy_extensions mypyc"
    " narwhals nodeenv numpy onnx onnxruntime opentelemetry opentelemetry_api"
    " opentelemetry_exporter_http_transport opentelemetry_exporter_otlp_common"
    " opentelemetry_exporter_otlp_proto_common opentelemetry_exporter_otlp_proto_http"
    " opentelemetry_proto opentelemetry_sdk opentelemetry_semantic_conventions packageurl"
    " packageurl_python packaging packaging_legacy_version pandas parsy pathspec pil pillow"
    " pip pip_api pip_audit pip_licenses pip_requirements_parser piplicenses platformdirs"
    " pluggy pre_commit prettytable prometheus_client protobuf psycopg psycopg_binary public"
    " py py_serializable pyarrow pyarrow_hotfix pyasn1 pyasn1_modules pycparser pydantic"
    " pydantic_core pydantic_settings pygments pyjwt pylab pyparsing pyrate_limiter pytest"
    " python_dateutil python_discovery python_dotenv pytz pyyaml referencing requests"
    " rfc3339_validator rfc3986_validator rfc3987_syntax rich rpds rpds_py ruff schemathesis"
    " scikit_learn scipy setuptools six skl2onnx sklearn smmap sortedcontainers sqlalchemy"
    " sqlglot sqlparse starlette threadpoolctl tlz tomli tomli_w toolz truststore types_pyyaml"
    " typing_extensions typing_inspection tzdata uri_template urllib3 uv uvicorn uvloop"
    " virtualenv wcwidth webcolors werkzeug wheel yaml zipp".split()
)


def visible_text(answer):
    """Return the error of a text without a visible character, or None.

    Good: Fraud Scoring | Zoë's "R&D": 100 % #1 | null
    Bad: | \u200b
    """
    return "is blank" if all(unicodedata.category(sign)[0] in "ZC" for sign in answer) else None


def slug(answer):
    """Return the error of a slug, or None; a slug is a DNS label, as Kubernetes requires.

    Good: fraud-scoring | s3
    Bad: 3s | a_b | a/b | con
    """
    signs = (
        set(answer) <= LOWER | DIGITS | {"-"} and answer[:1] in LOWER and not answer.endswith("-")
    )
    if not signs or len(answer) > 50:
        return (
            "is not a DNS label (a-z, 0-9 and inner hyphens, a letter first, at most 50 characters)"
        )
    return (
        "is a name of a dependency or a reserved name of Windows"
        if answer.replace("-", "_") in DEPENDENCIES | RESERVED_BY_WINDOWS
        else None
    )


def package(answer):
    """Return the error of a package name, or None; the name must be free.

    Good: fraud_scoring | s3
    Bad: Fraud | a-b | class | json | cgi | numpy | tests
    """
    if not (set(answer) <= LOWER | DIGITS | {"_"} and answer[:1] in LOWER) or len(answer) > 40:
        return (
            "is not a package name (a-z, 0-9 and underscores, a letter first, "
            "at most 40 characters)"
        )
    if keyword.iskeyword(answer):
        return "is a Python keyword"
    taken = STANDARD_LIBRARY | DEPENDENCIES | RESERVED_BY_WINDOWS | {"test", "tests", "conftest"}
    return (
        "is a name of the standard library, a dependency, the tests or Windows"
        if answer in taken
        else None
    )


def owner(answer):
    """Return the error of an owner, or None; an owner is one person or TODO.

    Good: Your Name <you@example.org> | TODO
    Bad: Your Name | A <a@b.org>, C <c@d.org>
    """
    name, _, address = answer.strip().removesuffix(">").partition("<")
    local, _, domain = address.partition("@")
    if answer.count("@") > 1 or any(sign in name for sign in (",", ";", "&", " and ")):
        return "is more than one person, but exactly one is accountable"
    fits = (
        answer.strip().endswith(">")
        and not visible_text(name)
        and local
        and domain
        and domain.strip(".-") == domain
    )
    fits = fits and not set(address) & set(' \t\r\n<>()[],;:\\"`/|')
    return None if fits or answer.strip() == "TODO" else "is neither 'Name <email>' nor TODO"


def organization(answer):
    """Return the error of an organization, or None; it is one segment of a URL, or TODO.

    Good: example-org | TODO
    Bad: https://git.example.org/team | my org
    """
    fits = (
        answer.isascii()
        and answer[:1].isalnum()
        and all(sign.isalnum() or sign in "-_." for sign in answer)
    )
    return (
        None
        if fits
        else "is not an organization on a git host (letters, digits, '-', '_' and '.' only)"
    )


PERSON = (owner, "Your Name <you@example.org>")
QUESTIONS = {
    "project_name": (visible_text, "Fraud Scoring"),
    "project_slug": (slug, "fraud-scoring"),
    "package_name": (package, "fraud_scoring"),
    "description": (visible_text, "Scores card transactions for fraud before they settle."),
    **dict.fromkeys(("value_owner", "model_owner", "data_owner", "platform_owner"), PERSON),
    "git_org": (organization, "example-org"),
}


def unsupported_text(answer):
    """Return the error of a character that YAML or TOML rejects, or of braces, or None.

    The next update of the project would evaluate the braces.
    """
    for sign in answer:
        if (
            unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\t\r\n"
        ) or sign in "\ufffe\uffff":
            return f"contains the character U+{ord(sign):04X}, which YAML or TOML rejects"
    marks = [mark for mark in ("{" + kind for kind in "#%{") if mark in answer]
    return f"contains {marks[0]}, which Cookiecutter evaluates" if marks else None


def refusals(answers):
    """Yield a line for each invalid answer: what is wrong, what was given, what works."""
    for question, (check, example) in QUESTIONS.items():
        given = str(answers[question])
        if error := unsupported_text(given) or check(given):
            shown = ascii(given) if unsupported_text(given) else repr(given)
            shown = shown if len(shown) <= 80 else shown[:77] + "..."
            yield f"{question} {error}; given: {shown}; works: {example}"


def main(answers):
    errors = list(refusals(answers))
    for line in errors:
        print(line, file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main({{dict(cookiecutter) | pprint}}))
