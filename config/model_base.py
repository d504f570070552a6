"""What the parts of the configuration's model share. Laptop only."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Pin = Annotated[int, Field(ge=0, le=63, description="GPIO number")]
Name = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[a-z][a-z0-9_]*$")]


class Strict(BaseModel):
    """No unknown key, no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)
