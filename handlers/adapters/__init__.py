"""What acts: databases, DMS, Route 53, DynamoDB, SNS. No decision is made here."""
