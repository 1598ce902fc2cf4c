"""Windows are watched for leaked widgets as the views are."""

from tests.guidance_app.views.conftest import _no_leaked_widgets  # noqa: F401
