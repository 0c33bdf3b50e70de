"""What a peer says: a stack's state as a Terraform plan, judged by checkov; failures are mended, or excused by name."""
