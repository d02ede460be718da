"""What zoo does from end to end: fine-tune, predict, pretrain, study."""
