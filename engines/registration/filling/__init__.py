"""Registration by rendering the vessels' volume where each part of the model is filled as much as the picture shows."""
