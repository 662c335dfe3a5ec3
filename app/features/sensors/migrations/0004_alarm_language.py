from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sensors", "0003_alarm_outlives_its_owner")]
    operations = [migrations.AddField("alarm", "language", models.CharField(db_default="en", default="en", max_length=16))]
