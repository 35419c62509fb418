"""Networks: tensors -> named tuples of tensors."""
